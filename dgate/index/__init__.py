"""The index: its tables, its databases, and the one way into it."""
