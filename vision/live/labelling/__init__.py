"""Labelling on the page: frozen frames, and the folder that they are saved into."""
