"""The annotation index: all annotations of a dataset in flat arrays."""
