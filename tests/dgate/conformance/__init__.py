"""Sections of conquest-server.md as tables of cases, held against the program from outside.

One module per section, one server process per configuration. No case looks inside: peers are pynetdicom and dcmtk, the
rest is files, SQLite, standard output and exit statuses.
"""
