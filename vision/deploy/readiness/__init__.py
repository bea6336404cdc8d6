"""Checks of an ONNX file against what detectnet and TensorRT need."""
