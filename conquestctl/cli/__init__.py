"""The command line: one module per command family, each command thin."""
