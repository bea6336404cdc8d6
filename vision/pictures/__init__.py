"""Picture files: reading them, their headers, whether they are whole; drawing on pictures."""
