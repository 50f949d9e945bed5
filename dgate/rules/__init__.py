"""Import converters and the other hooks: the converter language carried out (conquest-converters.md)."""
