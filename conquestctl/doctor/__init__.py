"""What keeps a fleet from running, found before it happens: facts are found out, then judged."""
