"""The file formats of the server, and the start of an instance."""
