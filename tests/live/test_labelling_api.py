from __future__ import annotations

from tests.drawing import draw_samples, write_voc_sample
from tests.live.live_parts import BOXES, SquareFinder, running, until
from vision.datasets.opening import open_split


def test_freeze_save_open_change_and_undo(demo):
    frozen = demo.ask("/api/labels/freeze", {})[1]
    assert frozen["objects"] == [
        {"name": "red", "box": list(BOXES["red"])}, {"name": "green", "box": list(BOXES["green"])}
    ]  # fmt: skip
    assert frozen["size"] == [160, 120]
    assert demo.ask(f"/api/labels/frozen/{frozen['key']}")[1] == frozen
    picture = demo.ask(f"/api/labels/frozen/{frozen['key']}/picture.jpg")[1]
    body = {"key": frozen["key"], "objects": frozen["objects"][:1], "part": "val"}
    answer = demo.ask("/api/labels/save", body)[1]
    saved = answer["saved"]
    assert (saved["name"], saved["part"]) == ("scene", "val"), "named after the picture"
    assert (answer["sets"]["val"], answer["counts"]["red"]) == (1, 1)
    folder = demo.session.store.folder
    assert (folder / "JPEGImages" / "scene.jpg").read_bytes() == picture
    assert open_split(folder, split="all")[0].boxes.tolist() == [list(BOXES["red"])]

    status, again = demo.ask("/api/labels/save", body)
    assert (status, "saved already" in again["error"]) == (400, True)
    assert demo.ask("/api/labels/saved/scene")[1] == saved
    assert demo.ask("/api/labels/saved/scene/picture")[1] == picture
    assert demo.ask("/api/labels/saved/scene/thumbnail.jpg")[1][:2] == b"\xff\xd8"
    change = {"name": "scene", "revision": saved["revision"], "objects": [], "part": "train"}
    assert demo.ask("/api/labels/save", change)[1]["counts"]["red"] == 0
    assert "another window" in demo.ask("/api/labels/save", change)[1]["error"]

    assert demo.ask("/api/labels/undo", {"name": "scene"})[1]["counts"]["red"] == 1
    answer = demo.ask("/api/labels/undo", {"name": "scene"})[1]
    assert (answer["pictures"], answer["newest"]) == (0, [])
    assert list((folder / "JPEGImages").iterdir()) == []
    assert demo.ask("/api/labels/save", body)[0] == 200, "the frozen picture can be saved again"


def test_a_saved_picture_that_was_deleted_by_hand_is_not_found(demo):
    """Its picture was a traceback, and the rest an error of the server."""
    frozen = demo.ask("/api/labels/freeze", {})[1]
    demo.ask("/api/labels/save", {"key": frozen["key"], "objects": [], "part": "train"})
    folder = demo.session.store.folder
    (folder / "JPEGImages" / "scene.jpg").unlink()
    assert demo.ask("/api/labels/saved/scene/picture")[0] == 404
    assert demo.ask("/api/labels/saved/scene/thumbnail.jpg")[0] == 404
    (folder / "Annotations" / "scene.xml").unlink()
    status, answer = demo.ask("/api/labels/saved/scene")
    assert (status, answer["error"]) == (404, "there is no such picture any more")
    assert demo.ask("/api/labels/undo", {"name": "scene"})[1]["pictures"] == 0
    for path in ("scene", "scene/picture", "scene/thumbnail.jpg"):
        assert demo.ask(f"/api/labels/saved/{path}")[0] == 404


def test_a_frozen_picture_that_is_being_saved_has_no_name_yet(demo, monkeypatch):
    """Its name was "...", in what the page got and in the error."""
    key = demo.ask("/api/labels/freeze", {})[1]["key"]
    body = {"key": key, "objects": [], "part": "train"}
    save, meanwhile = demo.session.store.save, []

    def slow(*arguments):
        meanwhile.append(demo.ask("/api/labels/save", body))
        meanwhile.append(demo.ask(f"/api/labels/frozen/{key}"))
        return save(*arguments)

    monkeypatch.setattr(demo.session.store, "save", slow)
    assert demo.ask("/api/labels/save", body)[0] == 200
    (status, refusal), (_, frozen) = meanwhile
    assert (status, "is being saved already" in refusal["error"]) == (400, True)
    assert (frozen["saved"], frozen["saving"]) == ("", True)
    frozen = demo.ask(f"/api/labels/frozen/{key}")[1]
    assert (frozen["saved"], frozen["saving"]) == ("scene", False)


def test_old_frozen_pictures_go(demo):
    first = demo.ask("/api/labels/freeze", {})[1]["key"]
    for _ in range(12):
        demo.ask("/api/labels/freeze", {})
    status, answer = demo.ask("/api/labels/save", {"key": first, "objects": [], "part": "train"})
    assert (status, answer["error"]) == (400, "this frozen picture is gone; freeze another")


def test_what_the_detector_knows_and_the_list_does_not_is_left_out(demo):
    demo.ask("/api/labels/classes", {"names": ["green", "plum"]})
    frozen = demo.ask("/api/labels/freeze", {})[1]
    assert [one["name"] for one in frozen["objects"]] == ["green"]
    assert frozen["left_out"] == 1


def test_labelling_without_any_model(picture, tmp_path):
    with running(picture, tmp_path, labels=tmp_path / "labels") as demo:
        until(demo.pipeline.results.newest)
        state = demo.ask("/api/state")[1]
        assert (state["detector"], state["labelling"], state["classes"]) == (None, True, [])
        frozen = demo.ask("/api/labels/freeze", {})[1]
        body = {"key": frozen["key"], "objects": [], "part": "train"}
        assert "name the classes" in demo.ask("/api/labels/save", body)[1]["error"]
        demo.ask("/api/labels/classes", {"names": ["nut"]})
        body["objects"] = [{"name": "nut", "box": [0, 0, 160, 120]}]
        assert demo.ask("/api/labels/save", body)[0] == 200
    index = open_split(tmp_path / "labels", split="train")
    assert (index.class_names[1:], index[0].boxes.tolist()) == (["nut"], [[0, 0, 160, 120]])


def test_a_labelled_picture_that_browsers_do_not_show_comes_as_a_jpeg(picture, tmp_path):
    sample = draw_samples(1)[0]
    write_voc_sample(tmp_path / "labels", sample, ".tiff")
    with running(picture, tmp_path, SquareFinder(), labels=tmp_path / "labels") as demo:
        status, content = demo.ask(f"/api/labels/saved/{sample.image_id}/picture")
        assert (status, content[:2]) == (200, b"\xff\xd8")


def test_without_label_there_are_no_such_routes(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        assert demo.ask("/api/labels")[0] == 404
        assert demo.ask("/api/labels/freeze", {})[0] == 404
