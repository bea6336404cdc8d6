"""All annotations of a dataset as flat arrays, and how they are built."""
