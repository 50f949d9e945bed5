"""Where instances run: the Docker engine or local processes."""
