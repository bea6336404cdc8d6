"""Open Images: its files, and the boxes in them."""
