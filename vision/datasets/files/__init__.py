"""How annotation files are found and read, before anyone asks for their meaning."""
