"""Datasets as people have them: what other tools write, and what is a little different from usual.

Every kind is written here as a small folder: eight pictures of 160 x 120 named p0.png and on, each
with a cat and a dog, unless it says otherwise.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.drawing import voc_xml, write_list, write_picture
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import open_datasets
from vision.datasets.report.report import open_test_part

SIZE = WIDTH, HEIGHT = 160, 120
CAT, DOG = [10.0, 20.0, 60.0, 70.0], [80.0, 30.0, 140.0, 110.0]
NAMES = [f"p{number}" for number in range(8)]


def draw(path, number=0):
    """Write a picture that looks like no other."""
    noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    write_picture(path, noise)


def put(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)


def pictures(folder, suffix=".png"):
    for number, name in enumerate(NAMES):
        draw(folder / f"{name}{suffix}", number)


def voc(root, lists=True, form="{}", labels=None):
    """Write a VOC folder with `form` around each id of its lists."""
    pictures(root / "JPEGImages")
    for name in NAMES:
        put(
            root / f"Annotations/{name}.xml",
            voc_xml([CAT, DOG], ["cat", "dog"], SIZE, f"{name}.png"),
        )
    if lists:
        write_list(root, "trainval", [form.format(name) for name in NAMES[:6]])
        write_list(root, "test", [form.format(name) for name in NAMES[6:]])
    if labels is not None:
        put(root / "labels.txt", labels)


def voc_beside(folder, names, classes=("cat", "dog")):
    for name in names:
        draw(folder / f"{name}.png", sum(map(ord, str(folder) + name)))
        boxes = [CAT, DOG][: len(classes)]
        put(folder / f"{name}.xml", voc_xml(boxes, classes, SIZE, f"{name}.png"))


def yolo_line(number, box, between=" "):
    x1, y1, x2, y2 = box
    values = ((x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
    return between.join([str(number), *(f"{value:.6f}" for value in values)]) + "\n"


def yolo(root, first=0, between=" ", suffix=".png", names="cat\ndog\n", folder=""):
    pictures(root / folder, suffix)
    for name in NAMES:
        text = yolo_line(first, CAT, between) + yolo_line(first + 1, DOG, between)
        put(root / folder / f"{name}.txt", text)
    if names:
        put(root / folder / "classes.txt", names)


def coco(root, name="annotations.json"):
    pictures(root / "images")
    images = [
        {"id": n, "file_name": f"{one}.png", "width": WIDTH, "height": HEIGHT}
        for n, one in enumerate(NAMES)
    ]
    marks = [
        {"image_id": n, "category_id": c, "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]]}
        for n in range(8)
        for c, b in ((1, CAT), (2, DOG))
    ]
    classes = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    text = json.dumps({"images": images, "annotations": marks, "categories": classes})
    put(root / name, text)


def labelme_sorted(root):
    pictures(root)
    for name in NAMES:
        shapes = [
            {"label": label, "points": [box[:2], box[2:]], "shape_type": "rectangle"}
            for label, box in (("cat", CAT), ("dog", DOG))
        ]
        data = {"imageData": "A" * 9000, "imagePath": f"{name}.png", "shapes": shapes}
        put(root / f"{name}.json", json.dumps(data, sort_keys=True))


def labelme3(root):
    for number, name in enumerate(NAMES):
        draw(root / f"default/{name}.png", number)
        objects = ""
        for label, (x1, y1, x2, y2) in (("cat", CAT), ("dog", DOG)):
            corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
            points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in corners)
            objects += f"<object><name>{label}</name><polygon>{points}</polygon></object>"
        gone = "<object><name>cow</name><deleted>1</deleted><polygon></polygon></object>"
        sides = f"<imagesize><nrows>{HEIGHT}</nrows><ncols>{WIDTH}</ncols></imagesize>"
        text = f"<annotation><filename>{name}.png</filename>{sides}{objects}{gone}</annotation>"
        put(root / f"default/{name}.xml", text)


def table(root, line, header="", encoding="utf-8"):
    pictures(root / "images")
    rows = [
        line.format(*map(int, box), file=f"{name}.png", name=label)
        for name in NAMES
        for label, box in (("cat", CAT), ("dog", DOG))
    ]
    put(root / "annotations.csv", "\n".join([header, *rows] if header else rows) + "\n", encoding)


def via_csv(root):
    pictures(root)
    rows = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
            "region_attributes"]  # fmt: skip
    for name in NAMES:
        for label, (x, y, right, bottom) in (("cat", CAT), ("dog", DOG)):
            shape = {"name": "rect", "x": x, "y": y, "width": right - x, "height": bottom - y}
            cells = [json.dumps(one).replace('"', '""') for one in (shape, {"class": label})]
            rows.append(f'{name}.png,9,"{{}}",2,0,"{cells[0]}","{cells[1]}"')
    put(root / "via.csv", "\n".join(rows))


def via_json(root):
    pictures(root)
    x, y, right, bottom = CAT
    xs, ys = [80, 140, 100], [30, 60, 110]
    shapes = [
        {"name": "rect", "x": x, "y": y, "width": right - x, "height": bottom - y},
        {"name": "polygon", "all_points_x": xs, "all_points_y": ys},
        {"name": "point", "cx": 3, "cy": 4},
    ]
    ticked = [{"animal": {"cat": True}}, {"animal": {"cat": False, "dog": True}}, {"animal": "cat"}]
    regions = [
        {"shape_attributes": shape, "region_attributes": attributes}
        for shape, attributes in zip(shapes, ticked)
    ]
    data = {f"{name}.png9": {"filename": f"{name}.png", "regions": regions} for name in NAMES}
    put(root / "project.json", json.dumps({"_via_settings": {}, "_via_img_metadata": data}))


def createml(root):
    pictures(root)
    data = [
        {
            "image": f"{name}.png",
            "annotations": [
                {"label": label, "coordinates": {"x": (b[0] + b[2]) / 2, "y": (b[1] + b[3]) / 2,
                                                 "width": b[2] - b[0], "height": b[3] - b[1]}}
                for label, b in (("cat", CAT), ("dog", DOG))
            ],
        }
        for name in NAMES
    ]  # fmt: skip
    put(root / "_annotations.createml.json", json.dumps(data))


def kitti(root):
    pictures(root / "training/image_2")
    for name in NAMES:
        lines = [
            f"{label} 0.00 0 0.0 {' '.join(map(str, box))} 0 0 0 0 0 0 0"
            for label, box in (("cat", CAT), ("dog", DOG), ("DontCare", CAT))
        ]
        put(root / f"training/label_2/{name}.txt", "\n".join(lines) + "\n")


def oidv4(root):
    for split, names in (("train", NAMES[:6]), ("validation", NAMES[6:])):
        for label, box in (("cat", CAT), ("dog", DOG)):
            for name in names:
                draw(root / split / label / f"{name}.png", int(name[1:]))
                line = f"{label} {' '.join(map(str, box))}\n"
                put(root / split / label / f"Label/{name}.txt", line)


def cvat_subsets(root):
    elements = []
    for number, name in enumerate(NAMES):
        subset = "Train" if number < 6 else "Validation"
        draw(root / f"images/{subset}/{name}.png", number)
        boxes = "".join(
            '<box label="{}" xtl="{}" ytl="{}" xbr="{}" ybr="{}"/>'.format(label, *box)
            for label, box in (("cat", CAT), ("dog", DOG))
        )
        elements.append(f'<image id="{number}" name="{name}.png" subset="{subset}">{boxes}</image>')
    put(root / "annotations.xml", f"<annotations>{''.join(elements)}</annotations>")


def turned_boxes(root):
    voc(root)
    turned = (
        "<object><type>robndbox</type><name>cat</name><robndbox><cx>80</cx><cy>60</cy><w>60</w>"
        "<h>20</h><angle>1.5707963</angle></robndbox></object></annotation>"
    )
    for path in (root / "Annotations").iterdir():
        path.write_text(path.read_text().replace("</annotation>", turned))


def capital_voc(root):
    voc(root)
    for path in (root / "Annotations").iterdir():
        path.write_text(path.read_text().replace("annotation>", "Annotation>"))


def label_studio_yolo(root):
    pictures(root / "images")
    for name in NAMES:
        put(root / f"labels/{name}.txt", yolo_line(0, CAT) + yolo_line(1, DOG))
    put(root / "classes.txt", "cat\ndog\n")
    put(root / "notes.json", json.dumps({"categories": [{"id": 0, "name": "cat"}], "info": {}}))


def roboflow_darknet(root):
    for number, (split, names) in enumerate((("train", NAMES[:6]), ("valid", NAMES[6:]))):
        for name in names:
            draw(root / split / f"{name}.png", int(name[1:]) + 9 * number)
            put(root / split / f"{name}.txt", yolo_line(0, CAT) + yolo_line(1, DOG))
        put(root / split / "_darknet.labels", "cat\ndog")


def yaml_anchor(root):
    for split, names in (("train", NAMES[:6]), ("val", NAMES[6:])):
        for name in names:
            draw(root / f"images/{split}/{name}.png", int(name[1:]))
            put(root / f"labels/{split}/{name}.txt", yolo_line(0, CAT) + yolo_line(1, DOG))
    put(root / "data.yaml", "train: images/train\nval: images/val\nb: &b [cat, dog]\nnames: *b\n")


def classes_as_folders(root):
    for name in ("bus", "car", "train"):
        voc_beside(root / name, [f"{name}{number}" for number in range(4)], [name])


def folders_beside_train(root):
    voc_beside(root / "train", ["a", "b", "c"])
    voc_beside(root / "test", ["d", "e"])
    voc_beside(root / "new", ["f", "g"])
    voc_beside(root, ["h"])
    put(root / "notes.xml", "<notes/>")


def with_unseen_letters(write):
    """Return a function that writes a kind, then puts a zero-width space into every other `dog`."""

    def write_with_them(root):
        write(root)
        text_files = (
            path for path in root.rglob("*.*") if path.suffix in (".xml", ".json", ".csv")
        )
        for number, path in enumerate(sorted([*text_files, *root.glob("*.txt")])):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".csv":
                text = text.replace("1.png,dog", "1.png,do\u200bg")
            elif number % 2 == 0:
                text = text.replace("dog", "do\u200bg")
            put(path, text)

    return write_with_them


COMMAS = "filename,class,xmin,ymin,xmax,ymax"


def yolo_beside_train(root):
    for number, folder in enumerate(("train", "train", "more", "more", "valid")):
        draw(root / folder / f"images/p{number}.png", number)
        put(root / folder / f"labels/p{number}.txt", yolo_line(0, CAT) + yolo_line(1, DOG))
    put(root / "classes.txt", "cat\ndog\n")


def labelme_beside_train(root):
    for number, folder in enumerate(("train", "train", "more", "more", "valid")):
        draw(root / folder / f"p{number}.png", number)
        shapes = [
            {"label": label, "points": [box[:2], box[2:]], "shape_type": "rectangle"}
            for label, box in (("cat", CAT), ("dog", DOG))
        ]
        data = {"imagePath": f"p{number}.png", "shapes": shapes}
        put(root / folder / f"p{number}.json", json.dumps(data))
    put(root / "settings.json", "{}")


SEMICOLONS = "filename;class;xmin;ymin;xmax;ymax"
USUAL = (8, 16, ["cat", "dog"])
# What is written, then pictures, boxes, classes, and of the training part where it is stated.
KINDS = {
    "voc list with columns": (lambda root: voc(root, form="{}  -1"), *USUAL, 6),
    "voc list of windows paths": (
        lambda root: voc(root, form="C:\\me\\JPEGImages\\{}.jpg"), *USUAL, 6),
    "voc list with quotes": (lambda root: voc(root, form='"{}.png",'), *USUAL, 6),
    "voc list of pairs": (
        lambda root: voc(root, form="JPEGImages/{0}.png Annotations/{0}.xml"), *USUAL, 6),
    "voc in capitals": (capital_voc, *USUAL, 6),
    "labels.txt with commas": (lambda root: voc(root, labels="cat,dog\n"), *USUAL, 6),
    "labels.txt with numbers": (lambda root: voc(root, labels="0 cat\n1 dog\n"), *USUAL, 6),
    "labels.txt with __background__": (
        lambda root: voc(root, labels="__background__\ncat\ndog\n"), *USUAL, 6),
    "labels.txt of cvat": (
        lambda root: voc(root, labels="# label:color_rgb:parts:actions\nbackground:0,0,0::\n"
                         "cat:128,0,0::\ndog:0,128,0::\n"), *USUAL, 6),
    "turned boxes": (turned_boxes, 8, 24, ["cat", "dog"], 6),
    "labelme 3": (labelme3, *USUAL, None),
    "labelme with the picture first": (labelme_sorted, *USUAL, None),
    "coco called stuffed": (
        lambda root: coco(root, "annotations/stuffed_animals.json"), *USUAL, None),
    "coco called keypoints": (lambda root: coco(root, "person_keypoints_all.json"), *USUAL, None),
    "yolo of label studio": (label_studio_yolo, *USUAL, None),
    "yolo with commas": (lambda root: yolo(root, between=", "), *USUAL, None),
    "yolo with .webp": (lambda root: yolo(root, suffix=".webp"), *USUAL, None),
    "yolo in a folder of any name": (lambda root: yolo(root, folder="mine"), *USUAL, None),
    "yolo of roboflow's darknet": (roboflow_darknet, *USUAL, 6),
    "yaml with an anchor": (yaml_anchor, *USUAL, 6),
    "cvat with subsets": (cvat_subsets, *USUAL, 6),
    "csv with semicolons": (
        lambda root: table(root, "{file};{name};{};{};{};{}", SEMICOLONS), *USUAL, None),
    "csv in utf-16": (
        lambda root: table(root, "{file},{name},{},{},{},{}", COMMAS, "utf-16"), *USUAL, None),
    "csv of retinanet": (lambda root: table(root, "{file},{},{},{},{},{name}"), *USUAL, None),
    "via as csv": (via_csv, *USUAL, None),
    "via as json": (via_json, *USUAL, None),
    "createml": (createml, *USUAL, None),
    "kitti": (kitti, *USUAL, None),
    "oidv4": (oidv4, *USUAL, 6),
    "classes as folders": (classes_as_folders, 12, 12, ["bus", "car", "train"], None),
    "yolo beside train": (yolo_beside_train, 5, 10, ["cat", "dog"], 4),
    "labelme beside train": (labelme_beside_train, 5, 10, ["cat", "dog"], 4),
    "voc with unseen letters": (with_unseen_letters(voc), *USUAL, 6),
    "labels.txt with unseen letters": (
        with_unseen_letters(lambda root: voc(root, labels="cat\ndo\u200bg\n")), *USUAL, 6),
    "coco with unseen letters": (with_unseen_letters(coco), *USUAL, None),
    "yolo with unseen letters": (
        with_unseen_letters(lambda root: yolo(root, names="cat\ndo\u200bg\n")), *USUAL, None),
    "labelme with unseen letters": (with_unseen_letters(labelme_sorted), *USUAL, None),
    "csv with unseen letters": (
        with_unseen_letters(lambda root: table(root, "{file},{name},{},{},{},{}", COMMAS)),
        *USUAL, None),
    "folders beside train": (folders_beside_train, 8, 16, ["cat", "dog"], 6),
}  # fmt: skip


def read(root):
    """Return pictures, boxes, classes, pictures to train on, and the index of the training part."""
    checks = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(root, pictures=checks, allow_unusable=True)
    test = open_test_part(root, "auto", datasets, pictures=checks)
    parts = [datasets.train, datasets.validation] + ([test.pictures] if test else [])
    boxes = sum(part.num_boxes for part in parts)
    return sum(map(len, parts)), boxes, sorted(datasets.class_names[1:]), datasets


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_input_is_read(tmp_path, kind):
    write, pictures, boxes, classes, train = KINDS[kind]
    write(tmp_path)
    found = read(tmp_path)
    assert found[:3] == (pictures, boxes, classes)
    if train is not None:
        assert len(found[3].train) == train
    lost = {name for problems in found[3].problems for name in problems.counts}
    assert not lost, lost
    for annotation in found[3].train:
        marked = sorted(annotation.boxes_in_pixels(*SIZE).tolist())
        assert marked[0] == pytest.approx(CAT, abs=0.01)
        assert len(marked) == 1 or marked[-1] == pytest.approx(DOG, abs=0.01)


def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path):
    turned_boxes(tmp_path)
    assert read(tmp_path)[3].train[0].boxes[2] == pytest.approx([70, 30, 90, 90], abs=0.01)


def test_yolo_that_counts_from_one_is_refused(tmp_path):
    yolo(tmp_path, first=1)
    with pytest.raises(ValueError, match=r"numbers its classes from 1 .*classes.txt names 2"):
        read(tmp_path)


def test_numbers_of_labels_txt_that_leave_one_out_are_refused(tmp_path):
    voc(tmp_path, labels="0 cat\n2 dog\n")
    with pytest.raises(ValueError, match=r"labels.txt:2: must have number 1, .* it has 2"):
        read(tmp_path)


def test_supervisely_is_recognised(tmp_path):
    draw(tmp_path / "ds0/img/p0.png")
    put(tmp_path / "meta.json", '{"classes": [{"title": "cat"}], "tags": []}')
    put(tmp_path / "ds0/ann/p0.png.json", '{"objects": [{"classTitle": "cat"}]}')
    with pytest.raises(ValueError, match=r"looks like Supervisely: export as COCO.*datasets\.md"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("export.json", '[{"data": {}, "from_name": "a", "to_name": "b"}]', "Label Studio"),
        ("a.tfrecord", "x", "TFRecord"),
        ("data.zip", "PK", "an archive: unpack it"),
        ("p.png", None, "1 pictures, but no boxes"),
        ("p.txt", "hello", "no pictures in it"),
    ],
)
def test_what_is_unknown_is_told_by_what_it_looks_like(tmp_path, name, text, message):
    if text is None:
        draw(tmp_path / name)
    else:
        put(tmp_path / name, text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_a_heic_picture_is_named_as_one(tmp_path):
    voc(tmp_path, lists=False)
    (tmp_path / "JPEGImages/p0.png").rename(tmp_path / "JPEGImages/p0.HEIC")
    problems = read(tmp_path)[3].problems[0]
    assert str(next(iter(problems))) == (
        "Annotations/p0.xml: 'p0.HEIC' is a HEIC picture, which OpenCV does not read; convert it "
        "to JPEG and keep its size: heif-convert p0.HEIC p0.jpg "
        "(apt install libheif-examples)"
    )


def test_unlisted_annotations_are_accounted_for(tmp_path):
    voc(tmp_path)
    write_list(tmp_path, "test", NAMES[6:7])
    said = "\n".join(read(tmp_path)[3].lines)
    assert (
        "1 annotated pictures are in no list of ImageSets/Main and are not used, such as p7" in said
    )


def test_labelled_pictures_that_a_data_yaml_does_not_name_are_accounted_for(tmp_path):
    yaml_anchor(tmp_path)
    draw(tmp_path / "images/more/q.png", 99)
    put(tmp_path / "labels/more/q.txt", yolo_line(0, CAT))
    said = "\n".join(read(tmp_path)[3].lines)
    assert "1 labelled pictures are in no part of data.yaml and are not used" in said


def test_when_everything_is_lost_the_first_losses_are_shown(tmp_path):
    voc(tmp_path)
    for path in (tmp_path / "Annotations").iterdir():
        path.write_text("<annotation>\n<object></annotation>")
    with pytest.raises(ValueError, match=r"names a class; the first of 8 .*p0.xml:2: not XML"):
        read(tmp_path)
    voc(tmp_path, labels="cow\n")
    with pytest.raises(ValueError, match=r"no usable object .*p0.xml: 'cat' is not in the class"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("write", "typed"),
    [
        (yaml_anchor, "data.yaml"),
        (yaml_anchor, "labels"),
        (yaml_anchor, "labels/train"),
        (yaml_anchor, "images"),
        (lambda root: coco(root, "annotations/all.json"), "annotations/all.json"),
        (cvat_subsets, "annotations.xml"),
        (capital_voc, "Annotations"),
        (capital_voc, "JPEGImages"),
        (capital_voc, "ImageSets/Main/trainval.txt"),
        (capital_voc, "Annotations/p0.xml"),
        (kitti, "training/label_2"),
    ],
)
def test_what_people_type_for_data_finds_the_dataset(tmp_path, write, typed):
    write(tmp_path)
    assert read(tmp_path / typed)[:3] == USUAL


def test_a_json_that_is_named_is_the_only_one_that_is_read(tmp_path):
    coco(tmp_path, "annotations/all.json")
    coco(tmp_path, "annotations/copy.json")
    assert read(tmp_path / "annotations/copy.json")[:3] == USUAL


def test_the_cases_that_are_kept_elsewhere_come_out_as_expected(real_cases):
    expected = json.loads((real_cases / "expected.json").read_text(encoding="utf-8"))
    wrong = {}
    for name, wanted in expected.items():
        if wanted is not None:
            pictures, boxes, classes, datasets = read(real_cases / name)
            found = {"pictures": pictures, "boxes": boxes, "classes": classes}
            if "train" in wanted:
                found["train"] = len(datasets.train)
            if found != wanted:
                wrong[name] = found
    assert not wrong
    with pytest.raises(ValueError, match="numbers its classes from 1"):
        read(real_cases / "yolo_from_one")
    with pytest.raises(ValueError, match="looks like Supervisely"):
        read(real_cases / "supervisely")
    assert read(real_cases / "yaml_anchor")[:2] == (12, 24)
    assert read(real_cases / "cvat_labels")[2] == ["square"]
