"""A small DICOM object of our own for trials: nobody's image, and recognisable as such."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
SIDE = 16


@dataclass(frozen=True, slots=True)
class Specimen:
    """A file, and the patient that nobody else is called like."""

    path: Path
    patient_id: str


def write_specimen(folder: Path) -> Specimen:
    """Write a Secondary Capture image (PS3.3 A.8.1) of a made-up patient. Raises `OSError`."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID(SECONDARY_CAPTURE)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(prefix=None)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    dataset.PatientID = f"TRIAL-{secrets.token_hex(6)}"
    dataset.PatientName = "CONQUESTCTL^ROUTE"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = dataset.AccessionNumber = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20000101", "000000", "1"
    dataset.Modality, dataset.ConversionType = "OT", "SYN"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = bytes(range(SIDE * SIDE))
    path = folder / "trial.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return Specimen(path, dataset.PatientID)
