"""Instances on disk: names, settings, allocation, rendering, locking."""
