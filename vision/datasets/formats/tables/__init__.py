"""Readers of formats that are a table with one box a line."""
