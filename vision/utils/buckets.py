"""Addresses of what lies in a bucket of S3; they stand where others have a path."""

from __future__ import annotations

import os
import re
from pathlib import Path

BUCKET_ADDRESS = re.compile(r"s3:/{1,2}([^/]+)/?(.*)", re.DOTALL)  # a Path makes one slash of two


def bucket_and_key(path: str | Path) -> tuple[str, str] | None:
    """Return the bucket of an address s3://bucket/key, and the key in it; None for a path."""
    match = BUCKET_ADDRESS.fullmatch(Path(path).as_posix() if os.name == "nt" else str(path))
    return (match[1], match[2].strip("/")) if match else None


def full_path(path: str | Path) -> str:
    """Return a path in full, so that it holds elsewhere; an address holds anywhere."""
    found = bucket_and_key(path)
    return "s3://" + "/".join(filter(None, found)) if found else str(Path(path).resolve())
