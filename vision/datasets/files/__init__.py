"""Finding and reading files of any format: folders, listings, tables and values."""
