"""Files that are downloaded once and kept for every later dataset."""

from __future__ import annotations

import logging
from pathlib import Path

from vision.download.transfer.lock import locked
from vision.download.transfer.progress import file_bar
from vision.download.transfer.retry import RetryPolicy
from vision.download.transfer.whole_file import download_file

logger = logging.getLogger(__name__)


def fetch_once(base_url: str, address: str, path: Path, policy: RetryPolicy) -> Path:
    """Return `path`; where it is not there, download it from an address under `base_url`.

    Only one run at a time works in the folder of `path`. Errors are those of `download_file`.
    """
    with locked(path.parent):
        if not path.exists():
            url = f"{base_url.rstrip('/')}/{address}"
            logger.info("Download %s", url)
            with file_bar(path.name) as progress:
                download_file(url, path, policy, progress)
    return path
