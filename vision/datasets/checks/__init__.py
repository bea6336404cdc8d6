"""Checks of a dataset: its boxes, its pictures, and the list of problems."""
