"""Data sets and part 10 files as bytes: walked, converted, written (PS3.5, PS3.10)."""
