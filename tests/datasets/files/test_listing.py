from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from vision.datasets.files.listing import (
    FileListing,
    base_name,
    find_child,
    read_list,
    strip_suffix,
)
from vision.pictures.suffixes import PICTURE_SUFFIXES


@pytest.fixture
def listing(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return FileListing(tmp_path, PICTURE_SUFFIXES)

    return make


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_every_suffix_is_found_in_any_case(listing, suffix):
    files = listing(f"one{suffix}", f"two{suffix.upper()}")
    assert files.find("one") == files.find("ONE") == f"one{suffix}"
    assert files.find("two") == f"two{suffix.upper()}"
    assert files.find(f"two{suffix}") == f"two{suffix.upper()}"


def test_dots_and_blanks_belong_to_the_name(listing):
    files = listing("screenshot 2020-12-16 16.42.21.png", "a.jpg.png", "b")
    assert files.find("screenshot 2020-12-16 16.42.21") == "screenshot 2020-12-16 16.42.21.png"
    assert files.find("a.jpg") == "a.jpg.png"
    assert files.find("b") is None


def test_an_exact_name_wins_and_then_the_first_suffix(listing):
    files = listing("A.png", "a.png", "c.tif", "c.JPG")
    assert files.find("A") == "A.png"
    assert files.find("a") == "a.png"
    assert files.find("c") == "c.JPG"


def test_two_spellings_of_an_accent_are_one(listing):
    files = listing(unicodedata.normalize("NFD", "Äpfel") + ".jpg")
    assert files.find(unicodedata.normalize("NFC", "äpfel")) is not None


def test_folders_below_hidden_files_and_what_is_outside(listing):
    files = listing("sub/x.jpg", "._y.jpg", ".z.jpg", "notes.txt")
    assert files.stems == ["sub/x"]
    assert files.find("sub/x") == "sub/x.jpg"
    assert files.find("../x") is None
    assert files.find("/etc/passwd") is None
    assert files.find("") is None


def test_strip_suffix_takes_picture_suffixes_only():
    assert strip_suffix("a.JPG") == "a"
    assert strip_suffix("16.42.21") == "16.42.21"
    assert strip_suffix("plain") == "plain"


def test_find_child_in_any_case(tmp_path):
    (tmp_path / "jpegimages").mkdir()
    (tmp_path / "images").touch()
    assert find_child(tmp_path, ("JPEGImages", "images")).name == "jpegimages"
    assert find_child(tmp_path, ("images",)) is None
    assert find_child(tmp_path / "nowhere", ("images",)) is None


def test_read_lines(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfone two\r\n\r\n  three\n")
    assert read_list(path) == ["one two", "three"]
    path.write_bytes(b"one\ntwo\n\xff\n")
    with pytest.raises(ValueError, match=r"list\.txt:3: must be UTF-8"):
        read_list(path)


def test_base_name_of_any_system():
    assert base_name("C:\\pictures\\a.jpg") == base_name("/home/me/a.jpg") == "a.jpg"
    assert base_name("") == ""


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", "@eaDir", "images/.cache", "__MACOSX"])
def test_copies_that_other_programs_keep_are_no_data(listing, folder):
    assert listing("images/a.jpg", f"{folder}/a.jpg", f"{folder}/below/b.jpg").files == [
        "images/a.jpg"
    ]


def test_what_a_training_has_written_into_a_dataset_is_no_data(listing):
    """`train_ssd.py --data=. --model-dir=run` would else learn its own charts as empty pictures."""
    names = ("a.jpg", "run/training_args.json", "run/results.png", "run/evaluation/b.jpg")
    assert listing(*names).files == ["a.jpg"]


@pytest.mark.parametrize("folder", ["", "images/", "data_check/"])
def test_what_a_check_has_drawn_is_no_data_and_pictures_beside_it_are(listing, folder):
    names = [f"{folder}{name}" for name in ("dataset_report.json", "train.png", "val.png", "b.png")]
    assert listing("a/train.png", *names).files == sorted(["a/train.png", f"{folder}b.png"])


def test_the_report_of_a_check_is_no_annotation(tmp_path):
    for name in ("a.json", "data_check/dataset_report.json", "data_check/b.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert FileListing(tmp_path, (".json",)).files == ["a.json", "data_check/b.json"]


def test_a_folder_of_a_training_that_is_named_itself_is_read(listing):
    assert listing("training_args.json", "a.jpg", "below/b.jpg").files == ["a.jpg", "below/b.jpg"]


def test_only_one_function_compares_names_in_any_case():
    """What only makes capitals small takes the two ways to store an accent for two names."""
    modules = (Path(__file__).resolve().parents[3] / "vision" / "datasets").rglob("*.py")
    assert [one.name for one in modules if "casefold()" in one.read_text("utf-8")] == ["listing.py"]
