"""A DICOM server that behaves like the Conquest DICOM server's `dgate`."""

__version__ = "0.1.0"
