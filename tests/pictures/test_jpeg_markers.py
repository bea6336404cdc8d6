from __future__ import annotations

import ast
from pathlib import Path

import vision
from vision.pictures import jpeg_markers


def test_the_bytes_of_markers_stand_in_one_module():
    for path in Path(vision.__file__).parent.rglob("*.py"):
        if path == Path(jpeg_markers.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            assert not (isinstance(value, bytes) and value.startswith(b"\xff")), (path, value)


def test_each_marker_is_of_one_kind():
    kinds = [
        {jpeg_markers.FILL},
        {jpeg_markers.SCAN},
        {jpeg_markers.EXIF_SEGMENT},
        jpeg_markers.IMAGE_BOUNDS,
        jpeg_markers.FRAMES,
        jpeg_markers.WITHOUT_LENGTH,
        jpeg_markers.RESERVED,
    ]
    assert len(set().union(*kinds)) == sum(map(len, kinds))
