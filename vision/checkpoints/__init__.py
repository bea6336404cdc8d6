"""Files of weights, and the way from a file to a detector."""
