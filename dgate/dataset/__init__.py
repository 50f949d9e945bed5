"""Data sets that can be changed: what converters, Lua scripts and server commands read and write. Pure."""
