"""Annotated pictures in any format: reading, checking, selecting, splitting and reporting them."""
