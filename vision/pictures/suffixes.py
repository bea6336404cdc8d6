"""What picture files are called: one list for datasets, for the demo and for all messages."""

from __future__ import annotations

import shlex
from pathlib import Path

# By format, as OpenCV reads them; it goes by the content of a file, these only find it.
SUFFIXES_OF = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "gif": (".gif",),
    "ppm": (".ppm",),
}
# In the order of preference for a picture that has several; any of them in any case.
PICTURE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)
# Pictures of phones and cameras that have to be converted before anything here can read them, and
# the commands that do it: of libheif-examples, and of darktable.
PHONE_SUFFIXES = (".heic", ".heif", ".avif")
RAW_SUFFIXES = (".dng", ".cr2", ".nef", ".arw")
UNREADABLE_SUFFIXES = PHONE_SUFFIXES + RAW_SUFFIXES


def is_unreadable(path: str | Path) -> bool:
    """Return whether a picture has a suffix of UNREADABLE_SUFFIXES."""
    return Path(path).suffix.lower() in UNREADABLE_SUFFIXES


def unreadable_fault(name: str) -> str:
    """Return what is wrong with such a picture, and the command to type.

    What has another suffix is a HEIC picture all the same: phones send them as .jpg.
    """
    stem = str(Path(name).with_suffix(""))
    suffix = Path(name).suffix if is_unreadable(name) else ".heic"
    command, package = "heif-convert", "libheif-examples"
    if suffix.lower() in RAW_SUFFIXES:
        command, package = "darktable-cli", "darktable"
    if stem + ".jpg" == name:
        stem += "-converted"
    typed = shlex.join([command, name, f"{stem}.jpg"])
    return (
        f"is a {suffix[1:].upper()} picture, which OpenCV does not read; convert it to JPEG and "
        f"keep its size: {typed} (apt install {package})"
    )
