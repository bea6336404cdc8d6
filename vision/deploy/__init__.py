"""The way to the Jetson: the ONNX file, its checks, and detectnet's own arithmetic."""
