"""The language of converter lines, as far as it can be known without an object: grammar, commands, findings. Pure."""
