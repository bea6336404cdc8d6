"""Does detectnet read the class names in labels.txt as they are meant?"""

from __future__ import annotations

from typing import Iterator

from vision.deploy.emulation.clustering import PROFILES
from vision.deploy.emulation.labels import MAX_LINE_BYTES, has_synset, label_lines
from vision.deploy.onnx_reading import shape_of
from vision.deploy.readiness.candidate import ERROR, WARNING, Candidate, Finding

BACKGROUND_LINE = b"BACKGROUND"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def check_label_count(candidate: Candidate) -> Iterator[Finding]:
    """Count the lines: one for each class; detectnet only logs a difference."""
    shapes = {value.name: shape_of(value.type) for value in candidate.model.graph.output}
    shape = shapes.get(candidate.bindings.scores)
    count = len(label_lines(_content(candidate)))
    if shape and shape[-1] not in (None, count):
        message = (
            f"{_path(candidate)} must have a line for each of the net's {shape[-1]} classes,"
            f" the background included; detectnet reads {count}: take the labels.txt that was"
            " written with the file"
        )
        yield Finding("label-count", ERROR, message)


def check_background_first(candidate: Candidate) -> Iterator[Finding]:
    """Look for BACKGROUND in front, without which every name moves to the class before its own."""
    first = _content(candidate).split(b"\n")[0]
    if first != BACKGROUND_LINE:
        message = (
            f"line 1 of {_path(candidate)} must be BACKGROUND, it is {_shown(first)}; insert it, or"
            " every object gets the name of the next class"
        )
        yield Finding("label-background", ERROR, message)


def check_label_lines(candidate: Candidate) -> Iterator[Finding]:
    """Look for whatever else would become a name or a part of one."""
    seen = set()
    for number, line in enumerate(_lines(candidate), 1):
        faults = [fault for fault, is_faulty in LINE_FAULTS.items() if is_faulty(line)]
        if line in seen:
            faults.append("is there twice")
        seen.add(line)
        for fault in faults:
            message = f"line {number} of {_path(candidate)} {fault}: {_shown(line)}; change it"
            yield Finding("label-line", ERROR, message)


def check_special_labels(candidate: Candidate) -> Iterator[Finding]:
    """Look for names that detectnet treats in a way of its own."""
    ignored = {profile.ignored_label for profile in PROFILES.values()} - {None}
    for number, line in enumerate(_lines(candidate), 1):
        where = f"line {number} of {_path(candidate)} ({_shown(line)})"
        if has_synset(line + b"\n"):
            message = (
                f"{where} looks like an ImageNet id; detectnet cuts the first nine letters off:"
                " write it another way"
            )
            yield Finding("label-synset", WARNING, message)
        elif line.decode("utf-8", errors="replace") in ignored:
            message = f"{where} makes detectnet drop this class; rename it if you want to see it"
            yield Finding("label-void", WARNING, message)


def _content(candidate: Candidate) -> bytes:
    return candidate.labels.content if candidate.labels else b""


def _path(candidate: Candidate) -> str:
    return str(candidate.labels.path) if candidate.labels else "labels.txt"


def _lines(candidate: Candidate) -> list[bytes]:
    lines = _content(candidate).split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def _shown(line: bytes) -> str:
    return repr(line[:40].decode("utf-8", errors="replace"))


def _is_blank(line: bytes) -> bool:
    return not line.strip()


def _ends_with_return(line: bytes) -> bool:
    return line.endswith(b"\r")


def _has_mark(line: bytes) -> bool:
    return line.startswith(BYTE_ORDER_MARK)


def _has_outer_blanks(line: bytes) -> bool:
    name = line.rstrip(b"\r")
    return bool(name.strip()) and name != name.strip()


def _has_zero(line: bytes) -> bool:
    return b"\0" in line


def _is_too_long(line: bytes) -> bool:
    return len(line) >= MAX_LINE_BYTES


LINE_FAULTS = {
    "is blank and becomes a class": _is_blank,
    "ends with a carriage return": _ends_with_return,
    "begins with a byte order mark": _has_mark,
    "has blanks around the name": _has_outer_blanks,
    "has a zero byte": _has_zero,
    "is longer than detectnet's buffer of 510 bytes": _is_too_long,
}

LABEL_CHECKS = (
    check_label_count,
    check_background_first,
    check_label_lines,
    check_special_labels,
)
