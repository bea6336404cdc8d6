"""Backbones, each built by a function as one nn.Sequential, and the loss."""
