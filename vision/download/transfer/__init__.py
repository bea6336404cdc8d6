"""Get whole files from addresses: HTTP, S3, retries, progress."""
