"""What the word for a source means: a picture, a folder, a video, a camera or an address.

photo.jpg  photos/  'photos/*.jpg'     pictures
clip.mp4                               a video file
0  /dev/video0                         a camera that is plugged in
csi://0                                a camera on the ribbon cable of a Jetson
rtsp://...  http://...                 a camera on the network, or a phone
"""

from __future__ import annotations

import glob
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

from vision.pictures.suffixes import PICTURE_SUFFIXES, is_unreadable, unreadable_fault

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in [
        "mp4",
        "m4v",
        "mov",
        "avi",
        "mkv",
        "webm",
        "mpg",
        "mpeg",
        "wmv",
        "ts",
        "mts",
        "m2ts",
        "3gp",
        "flv",
        "mjpg",
        "mjpeg",
    ]
)
# What goes to OpenCV as it is; of http it is seen only from the answer what is behind it.
STREAMS = ("rtsp", "rtsps", "rtmp", "udp", "rtp", "tcp", "hls")
WINDOWS = ("display", "webrtc")  # what detectnet shows its pictures in
ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
DEVICE = re.compile(r"/dev/video(\d+)")


@dataclass(frozen=True)
class PictureSource:
    """One source of pictures, not opened yet."""

    kind: str  # picture, video, camera, csi, stream or http
    address: str  # a path, the number of a camera, or a URL

    @property
    def live(self) -> bool:
        """Tell whether it has no end and cannot wait."""
        return self.kind not in ("picture", "video")

    @property
    def path(self) -> Path:
        """Return the file of a picture or a video."""
        return Path(self.address)

    def __str__(self) -> str:
        """Return the address as people may see it: without the password of a URL."""
        if self.kind == "camera":
            return f"/dev/video{self.address}"
        if self.kind not in ("stream", "http"):
            return self.address
        parts = urlsplit(self.address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def parse_sources(words: Sequence[str]) -> list[PictureSource]:
    """Return the sources that the words name, each once, in their order.

    Raises:
        FileNotFoundError: a word names nothing, or a folder without pictures and videos.
        ValueError: an address of a kind that is not known here.
    """
    found: dict[PictureSource, None] = {}
    for word in words:
        found.update(dict.fromkeys(_sources_of(word)))
    return list(found)


def is_window(word: str) -> bool:
    """Say whether a word is a window or a page of detectnet's, which is no source."""
    address = ADDRESS.fullmatch(word)
    return bool(address) and word.partition(":")[0].lower() in WINDOWS


def new_file(word: str) -> str:
    """Return the picture or video that a word names and that is not there, as an output is not.

    "" if the word is anything else.
    """
    address = ADDRESS.fullmatch(word)
    if address and address[1].lower() != "file":
        return ""
    name = address[2] if address else word
    is_named_so = Path(name).suffix.lower() in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    is_there = Path(name).exists() or glob.glob(name)  # noqa: PTH207
    return name if is_named_so and not is_there else ""


def _sources_of(word: str) -> Iterator[PictureSource]:
    address, device = ADDRESS.fullmatch(word), DEVICE.fullmatch(word)
    if address:
        yield from _from_address(word, address[1].lower(), address[2])
    elif device:
        yield PictureSource("camera", device[1])
    elif word.isascii() and word.isdigit() and not Path(word).exists():
        yield PictureSource("camera", word)
    else:
        yield from _from_files(word)


def _from_address(word: str, scheme: str, rest: str) -> Iterator[PictureSource]:
    number = rest or "0"
    if scheme == "file":
        yield from _from_files(rest)
    elif scheme == "v4l2":
        yield from _sources_of(number if number.startswith("/dev/") else f"/dev/video{number}")
    elif scheme == "csi":
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"a CSI camera is csi://0 or csi://1, got {word}")
        yield PictureSource("csi", number)
    elif scheme in ("http", "https", *STREAMS):
        if not rest.strip("/"):
            raise ValueError(f"{word} names no machine; write {scheme}://MACHINE:PORT/PATH")
        yield PictureSource("http" if scheme in ("http", "https") else "stream", word)
    else:
        raise ValueError(
            f"{word} must begin with csi://, v4l2://, rtsp://, http:// or https://, or name a file"
        )


def _from_files(word: str) -> Iterator[PictureSource]:
    path = Path(word)
    # A file may have a name that reads as a pattern. Path.glob takes no absolute pattern.
    matches = [path] if path.exists() else map(Path, sorted(glob.glob(word)))  # noqa: PTH207
    empty = True
    for match in matches:
        for file in sorted(match.iterdir()) if match.is_dir() else [match]:
            suffix = file.suffix.lower()
            if suffix in VIDEO_SUFFIXES and file.is_file():
                yield PictureSource("video", str(file))
            elif suffix in PICTURE_SUFFIXES or not match.is_dir():
                yield PictureSource("picture", str(file))
            else:
                if is_unreadable(file):
                    logger.warning("%s %s", file, unreadable_fault(str(file)))
                continue
            empty = False
    if empty:
        raise FileNotFoundError(f"there is no picture or video {path.absolute()}")
