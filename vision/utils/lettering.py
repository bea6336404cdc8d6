"""Writing on pictures, in the letters of any script that a font of this machine has."""

from __future__ import annotations

import functools
import unicodedata
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from vision.utils.text import printable

# Latin, Greek, Cyrillic, Arabic, Hebrew and more; matplotlib brings it along.
PLAIN_FONT = "DejaVuSans.ttf"
# Chinese, Japanese and Korean, as systems call what they have.
OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
)
CAPITAL = 0.729  # height of a capital of DejaVu Sans, in sizes of the font
NO_LETTER = "\U0010ffff"  # which no font has


def text_width(text: str, letters: float) -> int:
    """Return the width in pixels of a text whose capitals are `letters` pixels high."""
    return round(_font_for(text, letters).getlength(text))


def write_text(
    image: np.ndarray,
    text: str,
    start: tuple[int, int],
    letters: float,
    colour: tuple[int, int, int],
) -> None:
    """Write a text on a picture, in place; what is beyond its edge is cut off.

    Args:
        image: (H, W, 3) uint8 RGB.
        text: one line; see `drawable`.
        start: x and y of the lower left corner of its first letter, pixels.
        letters: height of a capital, pixels.
        colour: RGB.
    """
    from PIL import Image, ImageDraw

    font = _font_for(text, letters)
    room = round(letters)  # around the text, for accents and what hangs below the line
    size = (round(font.getlength(text)) + 2 * room, 3 * room)
    page = Image.new("L", size)
    ImageDraw.Draw(page).text((room, 2 * room), text, fill=255, font=font, anchor="ls")
    left, top = start[0] - room, start[1] - 2 * room
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + size[0], image.shape[1]), min(top + size[1], image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    ink = np.asarray(page, np.float32)[y1 - top : y2 - top, x1 - left : x2 - left, None] / 255
    ground = image[y1:y2, x1:x2]
    ground[:] = np.rint(ground + ink * (np.array(colour, np.float32) - ground)).astype(np.uint8)


def drawable(text: str, otherwise: str) -> str:
    """Return a text in letters that a font here has: as it is, without accents, or another one."""
    text = printable(text)
    if any(_has_all(font, text) for font in _fonts()):
        return text
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if _has(PLAIN_FONT, letter)).strip() or otherwise


def plain_letters(text: str) -> str:
    r"""Return a text for matplotlib, whose font it has; other letters by number, as in \u860b."""
    return "".join(
        letter if _has(PLAIN_FONT, letter) else letter.encode("ascii", "backslashreplace").decode()
        for letter in printable(text)
    )


def _font_for(text: str, letters: float) -> Any:
    name = next((font for font in _fonts() if _has_all(font, text)), PLAIN_FONT)
    return _font(name, max(1, round(letters / CAPITAL)))


@functools.lru_cache(maxsize=None)
def _fonts() -> tuple[str, ...]:
    """Return the names of the fonts that are here, the plain one first."""
    from PIL import ImageFont

    there = [PLAIN_FONT]
    for name in OTHER_FONTS:
        try:
            ImageFont.truetype(name, 10)
            there.append(name)
        except OSError:  # it is not installed
            continue
    return tuple(there)


@functools.lru_cache(maxsize=64)
def _font(name: str, size: int) -> Any:
    from PIL import ImageFont

    package = util.find_spec("matplotlib")
    brought = Path(package.origin or "").parent / "mpl-data/fonts/ttf" / name if package else None
    try:
        return ImageFont.truetype(str(brought) if brought and brought.is_file() else name, size)
    except OSError:  # without matplotlib, on a system without fonts
        return ImageFont.load_default()


def _has_all(font: str, text: str) -> bool:
    return all(_has(font, letter) for letter in text)


@functools.lru_cache(maxsize=10_000)
def _has(font: str, letter: str) -> bool:
    if letter.isascii():
        return True
    of_size = _font(font, 20)
    return bytes(of_size.getmask(letter)) != bytes(of_size.getmask(NO_LETTER))
