"""Work on the ONNX graph: cleaning, and an older opset."""
