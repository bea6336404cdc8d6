"""Small pieces that every room may use: boxes, NMS, labels, files, command lines."""
