"""Painting fruit: outlines, colours, a canvas, things to paint on it, and whole pictures."""
