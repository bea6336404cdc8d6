"""What picture files are called: one list for datasets, for the demo and for all messages."""

from __future__ import annotations

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
# Pictures of phones and cameras that have to be converted before anything here can read them.
UNREADABLE_SUFFIXES = (".heic", ".heif", ".avif", ".dng", ".cr2", ".nef", ".arw")
