"""Backbones, each a function that returns its layers as one nn.Sequential, and the loss."""
