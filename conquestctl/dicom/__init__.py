"""What an operator asks of a DICOM node: echo, send, count; and the verdict on each failure."""
