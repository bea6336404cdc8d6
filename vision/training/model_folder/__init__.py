"""What a run leaves in its model directory, and how it is read again."""
