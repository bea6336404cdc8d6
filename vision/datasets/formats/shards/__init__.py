"""Tar shards in WebDataset's conventions: reading, writing, and the index beside them."""
