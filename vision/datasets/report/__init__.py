"""Reports about a dataset: lines, a file, a portrait, and sheets of its pictures."""
