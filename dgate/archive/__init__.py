"""The archive: how a received object gets a name, a place and its rows; devices, deleting, regeneration."""
