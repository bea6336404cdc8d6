"""Where the pictures of COCO come from: its server, or its archives in the cache."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Mapping

from vision.download.addresses import COCO_ARCHIVES
from vision.download.coco.archives import damage_as
from vision.download.transfer.cached_file import fetch_once
from vision.download.transfer.http import read_url, require_picture_size, url_length
from vision.download.transfer.retry import DamagedError, MissingError, RetryPolicy


class WebSource:
    """Pictures by their addresses, from COCO's server or a mirror of it; threads may share it."""

    def __init__(self, base_url: str, policy: RetryPolicy) -> None:
        self.base_url = base_url.rstrip("/")
        self.policy = policy

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture in one attempt; errors as in `read_url`."""
        return read_url(self._url(key), self.policy)

    def size(self, key: str) -> int:
        """Return the length of a picture in bytes."""
        return url_length(self._url(key), self.policy)

    def _url(self, key: str) -> str:
        return key if "://" in key else f"{self.base_url}/{key}"


class ArchiveSource:
    """Pictures from archives, one archive for each folder; threads may share it.

    zipfile checks the CRC of every picture that it reads.
    """

    def __init__(self, archives: Mapping[str, Path]) -> None:
        # Before Python 3.10 threads that read from one archive may get each other's bytes.
        self.lock = threading.Lock()
        self.archives = {}
        for name, path in archives.items():
            with damage_as(ValueError, str(path), "; remove it and run again"):
                self.archives[name] = zipfile.ZipFile(path)

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            MissingError: if its archive does not have it.
            DamagedError: if it is damaged there.
        """
        archive, member = self._find(key)
        require_picture_size(member.file_size, f"{key} in {archive.filename}")
        with self.lock, damage_as(DamagedError, f"{key} is damaged in {archive.filename}"):
            return archive.read(member)

    def size(self, key: str) -> int:
        """Return the length of a picture in bytes; MissingError as in `read`."""
        return self._find(key)[1].file_size

    def _find(self, key: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        archive = self.archives.get(key.split("/")[0])
        if archive is None:
            raise MissingError(f"{key} is in none of COCO's archives")
        try:
            return archive, archive.getinfo(key)
        except KeyError as error:
            raise MissingError(f"{key} is not in {archive.filename}") from error


def open_web(base_url: str, policy: RetryPolicy, count: int) -> list[WebSource]:
    """Return sources, one a thread, that ask for each picture by its address."""
    return [WebSource(base_url, policy)] * count


def open_archives(
    cache: Path, base_url: str, policy: RetryPolicy, count: int
) -> list[ArchiveSource]:
    """Fetch the archives of pictures; return sources, one a thread, that read out of them."""
    archives = {
        f"{name}2017": fetch_once(base_url, address, cache / Path(address).name, policy)
        for name, address in COCO_ARCHIVES.items()
    }
    return [ArchiveSource(archives)] * count
