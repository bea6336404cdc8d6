"""Annotated pictures in any notation: read, checked, selected, split, reported."""
