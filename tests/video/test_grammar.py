from __future__ import annotations

import pytest

from vision.video.grammar import parse_sources


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("a.jpg", "b 1.PNG", "c.bmp", "clip.MP4", "notes.txt", "[x].jpg"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kinds(*words):
    return [(source.kind, source.address) for source in parse_sources(words)]


@pytest.mark.parametrize(
    ("word", "kind", "address"),
    [
        ("0", "camera", "0"),
        ("/dev/video2", "camera", "2"),
        ("v4l2:///dev/video1", "camera", "1"),
        ("csi://0", "csi", "0"),
        ("csi://", "csi", "0"),
        ("CSI://1", "csi", "1"),
        ("rtsp://10.0.0.5:554/h264", "stream", "rtsp://10.0.0.5:554/h264"),
        ("http://phone:8080/video", "http", "http://phone:8080/video"),
        ("https://host/x?a=b%20c", "http", "https://host/x?a=b%20c"),
    ],
)
def test_cameras_and_addresses(word, kind, address):
    assert kinds(word) == [(kind, address)]
    assert parse_sources([word])[0].live


def test_files_folders_and_patterns(folder):
    everything = [
        ("picture", str(folder / "[x].jpg")),
        ("picture", str(folder / "a.jpg")),
        ("picture", str(folder / "b 1.PNG")),
        ("picture", str(folder / "c.bmp")),
        ("video", str(folder / "clip.MP4")),
    ]
    assert kinds(str(folder)) == everything
    assert kinds(str(folder / "a.*"), str(folder)) == [
        everything[1],
        everything[0],
        *everything[2:],
    ]
    assert kinds(str(folder / "[x].jpg")) == everything[:1], "a name before a pattern"
    assert kinds(f"file://{folder}/clip.MP4") == everything[4:]
    assert kinds("notes.txt") == [("picture", "notes.txt")], "what is named is tried"
    assert not parse_sources(["clip.MP4"])[0].live


def test_a_file_whose_name_is_a_number_is_a_file(folder):
    (folder / "7").write_bytes(b"")
    assert kinds("7", "8") == [("picture", "7"), ("camera", "8")]


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("ftp://host/x.mp4", "must begin with"),
        ("http://", "names no machine"),
        ("csi://front", "csi://0"),
        ("missing.jpg", "no picture or video .*missing.jpg"),
        ("*.gif", "no picture or video"),
        ("empty", "no picture or video .*empty"),
    ],
)
def test_what_names_nothing(folder, word, complaint):
    (folder / "empty").mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        parse_sources([word])


def test_a_password_is_not_shown():
    source = parse_sources(["rtsp://admin:secret@10.0.0.5/live"])[0]
    assert str(source) == "rtsp://10.0.0.5/live"
    assert "secret" in source.address
