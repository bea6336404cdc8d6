"""Read a JSON file that is larger than the memory, one member of its lists at a time."""

from __future__ import annotations

import codecs
import json
from typing import IO, Any, Iterator

JSON_CHUNK = 1 << 20  # bytes
BLANKS = " \t\r\n"
LONGEST_MEMBER = 1 << 26  # characters


def iterate_members(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Yield (key, member) for each member of each list of the object that a file holds.

    A value that is no list comes whole. Only one member is in memory at a time.

    Raises:
        ValueError: if the file is not JSON, is cut off, or holds no object; or if a member is
            larger than any that annotations have.
    """
    text = _Text(file)
    text.expect("{")
    while not text.skip("}"):
        key = text.value()
        text.expect(":")
        if text.skip("["):
            while not text.skip("]"):
                yield key, text.value()
                text.skip(",")
        else:
            yield key, text.value()
        text.skip(",")


class _Text:
    """The text of a file, from the place up to which it has been read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.decode = codecs.getincrementaldecoder("utf-8")().decode
        self.scan = json.JSONDecoder().raw_decode
        self.text = ""
        self.place = 0

    def skip(self, mark: str) -> bool:
        """Step over a mark and blanks, if the mark comes next; return whether it does."""
        if self._next() != mark:
            return False
        self.place += 1
        return True

    def expect(self, mark: str) -> None:
        """Step over a mark that must come next."""
        if not self.skip(mark):
            raise ValueError(f"not the JSON expected: {self._next()!r} where {mark!r} should be")

    def value(self) -> Any:
        """Return the value that comes next."""
        self._next()
        while True:
            try:
                value, end = self.scan(self.text, self.place)
            except json.JSONDecodeError:
                # It may be only that its end has not been read yet.
                if len(self.text) - self.place > LONGEST_MEMBER:
                    raise ValueError("the JSON file has a member of endless length") from None
                if not self._read():
                    raise
                continue
            except RecursionError:
                raise ValueError("the JSON file has lists within lists without end") from None
            # A number at the end of what has been read may have more digits.
            if end == len(self.text) and self._read():
                continue
            self.place = end
            return value

    def _next(self) -> str:
        while True:
            while self.place < len(self.text) and self.text[self.place] in BLANKS:
                self.place += 1
            if self.place < len(self.text):
                return self.text[self.place]
            if not self._read():
                raise ValueError("the JSON file is cut off")

    def _read(self) -> bool:
        data = self.file.read(JSON_CHUNK)
        self.text = self.text[self.place :] + self.decode(data, final=not data)
        self.place = 0
        return bool(data)
