"""The report of an evaluation: plots, pictures, one HTML page, tables."""
