"""Which folders can be labelled into: one that is a dataset of another layout would be lost."""

from __future__ import annotations

import pytest

from tests.drawing import draw_samples, write_picture, write_voc
from tests.formats import WRITERS
from vision.live.labelling.store import LabelledObject, LabelStore
from vision.live.labelling.voc_folder import require_label_folder
from vision.live.saving import GIGABYTE, Budget
from vision.pictures.writing import encode_picture


@pytest.mark.parametrize("layout", sorted(set(WRITERS) - {"voc"}))
def test_a_dataset_of_another_layout_is_refused(tmp_path, layout):
    folder = tmp_path / "data"
    WRITERS[layout](folder)
    with pytest.raises(ValueError, match="must be a new folder") as refusal:
        require_label_folder(folder)
    kind = "shards" if layout.startswith("shards") else layout.split(" ")[0]
    assert f" {kind} dataset" in str(refusal.value)
    assert f"check_dataset.py {folder} --write-voc=" in str(refusal.value)


def test_a_part_of_a_dataset_and_voc_with_other_folders_are_refused(tmp_path):
    write_voc(tmp_path / "voc", {"train": 3})
    with pytest.raises(ValueError, match=r"a part of the voc dataset .*voc;"):
        require_label_folder(tmp_path / "voc" / "JPEGImages")
    (tmp_path / "voc" / "JPEGImages").rename(tmp_path / "voc" / "images")
    with pytest.raises(ValueError, match="without JPEGImages"):
        require_label_folder(tmp_path / "voc")


def test_voc_and_folders_without_annotation_can_be_labelled_into(tmp_path):
    require_label_folder(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    require_label_folder(tmp_path / "empty")
    write_voc(tmp_path / "voc", {"train": 3})
    require_label_folder(tmp_path / "voc")
    image = draw_samples(1)[0].image
    pictures = tmp_path / "pictures"
    write_picture(pictures / "a.png", image)
    (pictures / "labels.txt").write_text("0 cat\n1 dog\n")
    require_label_folder(pictures)
    store = LabelStore(pictures, (), Budget(GIGABYTE))
    size = (image.shape[1], image.shape[0])
    objects = [LabelledObject("cat", (1, 2, 30, 40))]
    saved = store.save(encode_picture(image), size, objects, "train")
    require_label_folder(pictures)
    store.undo(saved.name)
    require_label_folder(pictures)
