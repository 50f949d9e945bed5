"""Forwarding: the immediate kind, export converters, delayed commands, and the queue that outlives the process."""
