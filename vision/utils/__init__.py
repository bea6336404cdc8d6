"""Small pieces that every other part may use: boxes, NMS, labels, files."""
