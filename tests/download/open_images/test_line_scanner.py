"""Lines into columns, wherever the blocks are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.download.pictures import HEADER, annotation_file, image_id, line
from vision.download.open_images import line_scanner
from vision.download.open_images.box_index import build_arrays, open_index
from vision.download.open_images.line_scanner import FIRST_OF_RUN, LineScanner

LABELS = ["/m/014j1m", "/m/09qck", "/m/0pc9", "/m/011q46kg"]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else annotation_file(content))
    return path


def test_columns_of_three_lines(tmp_path):
    lines = [
        line(7, "/m/09qck", flags="10100"),
        line(7, "/m/0unknown"),
        line(8, "/m/011q46kg", flags="01011").replace(",0,1,0,1,1", ",-1,1,0,1,1"),
    ]
    arrays = build_arrays(write(tmp_path / "a.csv", lines), LABELS)
    assert arrays["codes"].tolist() == [1, 4, 3]
    assert (arrays["flags"] & ~FIRST_OF_RUN).tolist() == [0b0101, 0, 0b1010]
    assert (arrays["flags"] >= FIRST_OF_RUN).tolist() == [True, False, True]
    assert arrays["lengths"].tolist() == [len(text) + 1 for text in lines]
    assert len(set(arrays["runs"].tolist())) == 2
    assert arrays["header"].tobytes().decode() == f"{HEADER}\n"


def test_no_lines(tmp_path):
    arrays = build_arrays(write(tmp_path / "a.csv", []), LABELS)
    assert [len(arrays[name]) for name in ("codes", "flags", "lengths", "runs")] == [0] * 4


def test_the_last_line_end_may_be_missing(tmp_path):
    whole = annotation_file([line(1, LABELS[0]), line(2, LABELS[1])])
    arrays = build_arrays(write(tmp_path / "a.csv", whole.rstrip()), LABELS)
    assert arrays["codes"].tolist() == [0, 1]


def test_lines_of_a_picture_may_be_apart(tmp_path):
    lines = [line(number, LABELS[0]) for number in (5, 6, 5, 5, 7)]
    arrays = build_arrays(write(tmp_path / "a.csv", lines), LABELS)
    runs = arrays["runs"]
    assert runs[0] == runs[2]
    assert len(set(runs.tolist())) == 3


def test_newer_files_have_more_columns(tmp_path):
    extra = ",-1.000000,-1.000000"
    text = "".join(
        [f"{HEADER},XClick1X,XClick2X\n", *(f"{line(n, LABELS[n])}{extra}\n" for n in range(3))]
    )
    arrays = build_arrays(write(tmp_path / "a.csv", text.encode()), LABELS)
    assert arrays["codes"].tolist() == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 9), max_size=40),
    block=st.integers(1, 700),
    seed=st.integers(0, 99),
)
def test_blocks_may_be_cut_anywhere(tmp_path_factory, numbers, block, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice([*LABELS, "/m/1", "/m/0a_rather_long_label_of_thirty_bytes"], len(numbers))
    lines = [line(number, str(label)) for number, label in zip(numbers, labels)]
    path = write(tmp_path_factory.mktemp("cut") / "a.csv", lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_scanner, "BLOCK_BYTES", block)
        arrays = build_arrays(path, LABELS)
    known = {label: place for place, label in enumerate(LABELS)}
    assert arrays["codes"].tolist() == [known.get(str(label), 4) for label in labels]
    assert arrays["lengths"].tolist() == [len(text) + 1 for text in lines]
    first = [n == 0 or numbers[n] != numbers[n - 1] for n in range(len(numbers))]
    assert (arrays["flags"] >= FIRST_OF_RUN).tolist() == first
    runs = [number for number, begins in zip(numbers, first) if begins]
    same = np.equal.outer(runs, runs)
    assert (np.equal.outer(arrays["runs"], arrays["runs"]) == same).all()


def test_ids_that_share_a_beginning_are_told_apart(tmp_path):
    ids = ["0123456789abcdef", "0123456789abcdee", "0123456789abcde", "0123456789abcdef0"]
    lines = [line(0, LABELS[0]).replace(image_id(0), text) for text in ids]
    assert len(build_arrays(write(tmp_path / "a.csv", lines), LABELS)["runs"]) == 4


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("0001,xclick,/m/014j1m,1", "line 3: 4 fields, 13 in the header"),
        (line(2, LABELS[0]) + ",1", "line 3: 14 fields, 13 in the header"),
        (line(2, LABELS[0]) + "\r", "line 3: there are quotes, blanks or Windows line ends"),
        ("x" * 40000, "line 3: 1 fields, 13 in the header"),
    ],
)
def test_a_bad_line_is_named(tmp_path, bad, message):
    path = write(tmp_path / "a.csv", [line(1, LABELS[0]), bad, line(3, LABELS[0])])
    with pytest.raises(ValueError, match=message):
        build_arrays(path, LABELS)


def test_a_bad_line_far_down_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(line_scanner, "BLOCK_BYTES", 1000)
    lines = [line(number, LABELS[0]) for number in range(100)]
    lines[70] = lines[70].replace(",xclick", "")
    with pytest.raises(ValueError, match="line 72: 12 fields"):
        build_arrays(write(tmp_path / "a.csv", lines), LABELS)


def test_columns_may_stand_in_any_order(tmp_path):
    order = [12, *range(2), *range(3, 12), 2]
    label = "/m/" + "x" * 90
    rows = [HEADER, line(1, label), line(1, LABELS[3], flags="01000"), line(2, LABELS[0])]
    fields = [row.split(",") for row in rows]
    text = "".join(",".join(row[column] for column in order) + "\n" for row in fields)
    arrays = build_arrays(write(tmp_path / "a.csv", text.encode()), [label, *LABELS])
    assert arrays["codes"].tolist() == [0, 4, 1]
    assert arrays["flags"].tolist() == [0b10000000, 0b10, 0b10000000]


def test_a_long_line_is_refused(tmp_path):
    bad = line(2, LABELS[0]).replace("xclick", "x" * 40000)
    path = write(tmp_path / "a.csv", [line(1, LABELS[0]), bad, line(3, LABELS[0])])
    with pytest.raises(ValueError, match="a line of more than 32768 bytes"):
        build_arrays(path, LABELS)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(line_scanner, "BLOCK_BYTES", 1000)
    path = write(tmp_path / "a.csv", [line(1, LABELS[0]), "x" * 40000])
    with pytest.raises(ValueError, match="a line of more than 32768 bytes"):
        build_arrays(path, LABELS)


def test_another_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must have the columns ImageID, LabelName, IsOccluded"):
        LineScanner(write(tmp_path / "a.csv", b"<html>\n"), LABELS)


def test_the_index_is_kept_and_made_again_for_another_file(tmp_path, monkeypatch):
    path = write(tmp_path / "train-annotations-bbox.csv", [line(1, LABELS[0])])
    assert len(open_index(path, LABELS)) == 1
    made = []
    original = build_arrays
    monkeypatch.setattr(
        "vision.download.open_images.box_index.build_arrays",
        lambda *a: made.append(1) or original(*a),
    )
    assert len(open_index(path, LABELS)) == 1
    assert made == []
    write(path, [line(1, LABELS[0]), line(2, LABELS[1])])
    assert len(open_index(path, LABELS)) == 2
    assert open_index(path, LABELS[:1]).codes.tolist() == [0, 1]
    assert made == [1, 1]


def test_a_damaged_index_is_made_again(tmp_path, caplog):
    path = write(tmp_path / "a.csv", [line(1, LABELS[0])])
    open_index(path, LABELS)
    kept = tmp_path / "a.index"
    for damage in (b"", b"no array", kept.read_bytes()[:300], kept.read_bytes()[:-1]):
        kept.write_bytes(damage)
        assert open_index(path, LABELS).codes.tolist() == [0]
    assert len(caplog.records) == 4
