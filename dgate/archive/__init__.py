"""The archive: element walker, file names, devices, writing, index, regeneration."""
