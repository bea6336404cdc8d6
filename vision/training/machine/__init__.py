"""What the machine can bear: free memory and disk, batch size, workers."""
