"""What detectnet does around the net, to the bit: input, clustering, labels."""
