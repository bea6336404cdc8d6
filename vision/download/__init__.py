"""Get public datasets: resumable transfers, an index of their boxes, and choosing among them."""
