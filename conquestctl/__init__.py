"""Create, run and check many Conquest-compatible DICOM nodes on one machine."""

__version__ = "0.1.0"
