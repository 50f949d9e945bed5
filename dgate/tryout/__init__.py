"""An instance's converters on a file, without a server: nothing of the instance is changed, nothing is sent or run."""
