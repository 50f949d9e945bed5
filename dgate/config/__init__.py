"""The file formats of a Conquest server: dicom.ini, acrnema.map, dicom.sql, dgatesop.lst, dgate.dic."""
