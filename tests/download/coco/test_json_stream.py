"""JSON, one member at a time."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.download.coco import json_stream
from vision.download.coco.json_stream import iterate_members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def members(text):
    return list(iterate_members(io.BytesIO(text.encode())))


def test_members_of_lists_and_whole_values():
    assert members('{"info": {"year": 2017}, "images": [ {"id": 1} , {"id": 2}], "none": []}') == [
        ("info", {"year": 2017}),
        ("images", {"id": 1}),
        ("images", {"id": 2}),
    ]
    assert members(" {} ") == []


@settings(max_examples=40, deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=4), st.lists(VALUES, max_size=4), max_size=4),
    chunk=st.integers(1, 9),
    indent=st.none() | st.integers(0, 2),
)
def test_chunks_may_be_cut_anywhere(content, chunk, indent):
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "JSON_CHUNK", chunk)
        found = members(text)
    assert found == [(key, value) for key, values in content.items() for value in values]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": [1, 2', '{"a": [1, 2]', '{"a": [tru]}', "{a}"])
def test_bad_files(text):
    with pytest.raises(ValueError, match=r".+"):
        members(text)
