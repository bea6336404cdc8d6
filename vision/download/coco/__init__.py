"""COCO 2017: its files, and the boxes in them."""
