"""The index database behind one small interface: SQLite, PostgreSQL, MariaDB.

Statements are written once, in the house's SQL: marks are `?` for a number and `CAST(? AS TEXT)` for the bytes of a
text, a write transaction is `BEGIN IMMEDIATE` to `COMMIT`. That is SQLite's, which takes it as it is; the two others
translate. Where their SQL differs in more than marks, the difference is a field of `Dialect`.
"""
