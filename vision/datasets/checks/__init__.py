"""What is wrong with a dataset: its boxes, its pictures, and the list of problems."""
