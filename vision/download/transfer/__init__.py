"""From an address to a whole file: HTTP, S3, retries, progress."""
