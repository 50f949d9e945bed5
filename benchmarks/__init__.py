"""Measurements; each folder is one program, run with `python -m`."""
