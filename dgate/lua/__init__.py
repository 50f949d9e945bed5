"""Lua scripts: the environment of conquest-converters.md 11, on the bundled Lua 5.1 of the package `lupa`."""
