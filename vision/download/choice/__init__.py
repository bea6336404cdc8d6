"""Which pictures are wanted: classes, their names, splits."""
