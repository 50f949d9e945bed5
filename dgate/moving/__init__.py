"""The index of an instance copied from one database to another, and proved to be the same there."""
