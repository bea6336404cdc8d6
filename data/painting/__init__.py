"""Paints fruit: outlines, colours, a canvas, what goes on it, and pictures made of that."""
