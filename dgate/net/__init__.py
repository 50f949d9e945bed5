"""The DICOM upper layer, DIMSE messages and one module per service."""
