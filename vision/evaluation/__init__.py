"""How good detections are: matching with the truth, average precision, whole splits."""
