"""Damaged annotations of every format: each ends in an index or in a sentence, never otherwise."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.datasets.test_cases import KINDS
from tests.formats import WRITERS
from tests.fuzzing import limited, tries
from vision.datasets.opening import open_datasets
from vision.nn.multibox_loss import MultiboxLoss
from vision.pictures.reading import PictureError, read_picture_size
from vision.ssd import NETS
from vision.ssd.matching import match_and_encode
from vision.ssd.priors import generate_priors

EXAMPLES, MORE_EXAMPLES = tries(40), 450  # of every format
VALUES = (
    "", "0", "-1", "1", "7", "-0.5", "1e-40", "1e39", "1e400", "99999999999999999999", "nan", "inf",
    "-inf", "1,5", "abc", "é", "BACKGROUND", "void", "null", "true", "[]", "{}", "../../etc/passwd",
    "\\ud800", "<", "&lol;", '"', "\n", "\r\n", "\x00", "\ufeff", "9" * 5000, "[" * 2000,
)  # fmt: skip
ENCODINGS = ("utf-16", "utf-8-sig", "latin-1", "cp1252", "utf-32", "ascii", "shift_jis", "utf-7")
PLACES = st.integers(0, 10**6)


def replace_token(text, place, other, value):
    """Put the value where a word or number is."""
    tokens = list(re.finditer(rb"[\w.+-]+", text)) or [re.match(b"", text)]
    token = tokens[place % len(tokens)]
    return text[: token.start()] + value + text[token.end() :]


def replace_byte(text, place, other, value):
    """Put another byte."""
    at = place % max(len(text), 1)
    return text[:at] + bytes([other % 256]) + text[at + 1 :]


def delete(text, place, other, value):
    """Take up to 40 bytes out."""
    at = place % max(len(text), 1)
    return text[:at] + text[at + other % 40 :]


def insert(text, place, other, value):
    """Put the value in between."""
    at = place % (len(text) + 1)
    return text[:at] + value + text[at:]


def cut(text, place, other, value):
    """End the file early."""
    return text[: place % (len(text) + 1)]


def move_line(text, place, other, value):
    """Put a line where another one is, which comes twice then."""
    lines = text.splitlines(keepends=True) or [b""]
    lines[place % len(lines)] = lines[other % len(lines)]
    return b"".join(lines)


def replace_node(text, place, other, value):
    """Put the value in place of a node of JSON, or take the node out; elsewhere, of a token."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return replace_token(text, place, other, value)
    slots = list(slots_of(tree))
    if slots:
        parent, key = slots[place % len(slots)]
        if other % 4 == 0:
            del parent[key]
        else:
            parent[key] = [value.decode("utf-8"), None, -1.5, [], {}, [[1, 2], "x"]][other % 6]
    return json.dumps(tree).encode("utf-8")


def move_element(parent, child, stranger, value):
    """Put an element into a stranger, unless that would make a circle."""
    if stranger not in child.iter():
        stranger.append(child)


def rename_element(parent, child, stranger, value):
    """Call an element like another one."""
    child.tag = stranger.tag


def set_attributes(parent, child, stranger, value):
    """Put the value in all attributes."""
    for key in child.attrib:
        child.set(key, value)


def nest_deeply(parent, child, stranger, value):
    """Put 300 elements into each other."""
    for _ in range(300):
        child = ElementTree.SubElement(child, child.tag)


def set_text(parent, child, stranger, value):
    """Put the value between the tags."""
    child.text = value


CHANGES_OF_ELEMENTS = (
    lambda parent, child, stranger, value: parent.remove(child),
    lambda parent, child, stranger, value: parent.append(child),
    lambda parent, child, stranger, value: child.clear(),
    move_element,
    rename_element,
    set_attributes,
    nest_deeply,
    set_text,
)


def replace_element(text, place, other, value):
    """Change an element of XML: take it out, have it twice, elsewhere, empty, or hold the value."""
    try:
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return replace_token(text, place, other, value)
    parents = [(parent, child) for parent in tree.iter() for child in parent]
    if not parents:
        return replace_token(text, place, other, value)
    parent, child = parents[place % len(parents)]
    stranger = parents[other % len(parents)][1]
    CHANGES_OF_ELEMENTS[other % len(CHANGES_OF_ELEMENTS)](
        parent, child, stranger, value.decode("utf-8")
    )
    return ElementTree.tostring(tree)


def encode_anew(text, place, other, value):
    """Save the file in another encoding, or let it lie about its own."""
    encoding = ENCODINGS[place % len(ENCODINGS)]
    if other % 2:
        return b'<?xml version="1.0" encoding="%s"?>' % encoding.encode() + text
    return text.decode("utf-8", "replace").encode(encoding, "replace")


def declare_entities(text, place, other, value):
    """Put a declaration of entities before the file, and one of them into it."""
    declared = b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">%s]>'
    file = b'<!ENTITY c SYSTEM "file:///etc/hostname">' if other % 2 else b""
    return declared % file + insert(text, place, other, (b"&b;", b"&c;")[other % 2])


def slots_of(node):
    """Yield (container, key) of all that is in a JSON tree."""
    if isinstance(node, (dict, list)):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from slots_of(node[key])


MUTATIONS = st.tuples(
    st.sampled_from(
        [
            replace_token,
            replace_token,
            replace_byte,
            delete,
            insert,
            cut,
            move_line,
            replace_node,
            replace_element,
            encode_anew,
            declare_entities,
        ]
    ),
    PLACES,
    PLACES,
    st.sampled_from(VALUES),
)
TRIED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


SINGLE = {name: write for name, write in WRITERS.items() if name != "ccpd"}
# What a file of other tools holds; most are read by a part of a reader that the writers miss.
OTHERS = (
    "labelme 3", "turned boxes", "cvat with subsets", "via as csv", "via as json",
    "coco called keypoints", "labels.txt of cvat", "yaml with an anchor", "csv in utf-16",
)  # fmt: skip
DAMAGED: Counter[str] = Counter()


def is_annotation(path):
    return path.is_file() and path.suffix not in (".png", ".jpg")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A small folder of every format."""
    made = {}
    for name, write in WRITERS.items():
        made[name] = tmp_path_factory.mktemp("format")
        splits = {"train": 3, "validation" if name == "open_images" else "val": 2}
        write(made[name], splits, seed=1, negatives=1)
    for name in OTHERS:
        made[name] = tmp_path_factory.mktemp("other")
        KINDS[name][0](made[name])
    for folder in made.values():
        assert open_datasets(folder, allow_unusable=True).train.num_boxes
    DAMAGED.clear()
    yield made
    sys.stdout.write(f"damaged files by suffix: {dict(DAMAGED)}\n")


@pytest.fixture(scope="module")
def priors():
    """Every tenth prior of mb1-ssd; one thread, as starting several costs more than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    config = NETS["mb1-ssd"].config(300)
    yield generate_priors(config.prior_specs, config.image_size)[::10]
    torch.set_num_threads(threads)


def try_to_open(root, priors):
    """Open a folder; what comes of it has to be sound, or the error one line."""
    try:
        with limited():
            datasets = open_datasets(root, allow_unusable=True)
    except (ValueError, OSError) as error:
        assert str(error)
        assert "\n" not in str(error)
        return
    for index in (datasets.train, datasets.validation):
        require_sound(index, priors)


def require_sound(index, priors):
    """Check the boxes and labels, and that the loss on them is finite."""
    assert np.isfinite(index.boxes).all()
    assert (index.boxes[:, 2:] > index.boxes[:, :2]).all()
    assert ((index.labels >= 1) & (index.labels < len(index.class_names))).all()
    most = int(np.diff(index.offsets).max(initial=0))
    boxes, labels = torch.zeros(len(index), most, 4), torch.zeros(len(index), most, dtype=int)
    for row, annotation in enumerate(index):
        width, height = size_of(annotation.path)
        found = annotation.boxes_in_pixels(width, height) / np.float32([width, height] * 2)
        boxes[row, : len(found)] = torch.from_numpy(found)
        labels[row, : len(found)] = torch.from_numpy(annotation.labels)
    targets = match_and_encode(boxes, labels, priors, (0.1, 0.2))
    logits = torch.zeros(len(index), len(priors), len(index.class_names))
    losses = MultiboxLoss()(logits, torch.zeros_like(targets.locations), targets)
    assert all(map(torch.isfinite, losses)), losses


def size_of(path):
    """Return the size of a picture, or a usual one: in a shard, pictures may be damaged too."""
    try:
        return read_picture_size(path)
    except PictureError:
        return 160, 120


def mutate_and_try(root, priors, which, mutations):
    """Damage one annotation file, open the folder, and put the file back."""
    files = sorted(filter(is_annotation, root.rglob("*")))
    file = files[which % len(files)]
    whole = file.read_bytes()
    text = whole
    for change, place, other, value in mutations:
        text = change(text, place, other, value.encode("utf-8"))
    DAMAGED[file.suffix.lower()] += text != whole
    try:
        file.write_bytes(text)
        try_to_open(root, priors)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("name", [*SINGLE, *OTHERS])
def test_a_damaged_file_never_ends_otherwise(folders, priors, name):
    @TRIED
    @given(PLACES, st.lists(MUTATIONS, min_size=1, max_size=4))
    def check(which, mutations):
        mutate_and_try(folders[name], priors, which, mutations)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SINGLE, *OTHERS])
def test_thousands_of_damaged_files_never_end_otherwise(folders, priors, name):
    @settings(TRIED, max_examples=MORE_EXAMPLES)
    @given(PLACES, st.lists(MUTATIONS, min_size=1, max_size=6))
    def check(which, mutations):
        mutate_and_try(folders[name], priors, which, mutations)

    check()


def test_damaged_file_names_never_end_otherwise(folders, priors):
    root = folders["ccpd"]
    letters = st.text(st.sampled_from("0123456789&_-. x"), max_size=5)

    @settings(TRIED, max_examples=EXAMPLES)
    @given(PLACES, PLACES, letters)
    def check(which, place, value):
        pictures = sorted((root / "ccpd_base").iterdir())
        picture = pictures[which % len(pictures)]
        name = replace_token(picture.stem.encode(), place, 0, value.encode()).decode()
        name = name.replace("/", "") or "x"
        renamed = picture.with_name(name[:100] + picture.suffix)
        lists = {path: path.read_text() for path in (root / "splits").iterdir()}
        picture.rename(renamed)
        for path, text in lists.items():
            path.write_text(text.replace(picture.name, renamed.name))
        try:
            try_to_open(root, priors)
        finally:
            renamed.rename(picture)
            for path, text in lists.items():
                path.write_text(text)

    check()
