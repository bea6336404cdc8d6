"""What a run tells about itself: log lines, plots, pictures, TensorBoard."""
