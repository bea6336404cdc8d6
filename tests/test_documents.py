"""The documents agree with the code: links, names, options, commands, examples, and the picture."""

from __future__ import annotations

import argparse
import ast
import importlib
import pickle
import re
import sys
import types

import cv2
import numpy as np
import pytest
import torch

from docs.draw_architecture import (
    PICTURE,
    described,
    draw,
    drawn_from,
    make_plan,
    read_graph,
    read_wings,
)
from tests.documents import (
    DOCS,
    PAGES,
    README,
    ROOT,
    SCRIPTS,
    all_options,
    anchors_of,
    code_of,
    commands_of,
    hyphens,
    links_of,
    options_in,
    options_of,
    prose_of,
    table_rows,
    text_of,
)
from tests.drawing import draw_samples, write_picture
from tests.test_architecture import ROOMS
from vision.datasets.formats import DATASETS
from vision.datasets.opening import open_datasets
from vision.ssd import NETS, create_net
from vision.structures import Annotation
from vision.transforms.augmentation import COLOURS, GEOMETRY, TrainTransform
from vision.utils.cli import parse_options
from vision.utils.options import add_options

ARCHITECTURE, EXTENDING, MIGRATING, NETS_PAGE = (
    ROOT / "docs" / name for name in ("architecture.md", "extending.md", "migrating.md", "nets.md")
)
GROUND = {"structures", "utils", "pictures"}
# Options of programs that are not ours.
FOREIGN = {
    "detectnet": "--threshold --clustering --confidence --input-blob --output-cvg --output-bbox "
    "--model --labels --overlay --tracking --headless",
    "torchrun": "--nnodes --nproc-per-node --max-restarts --rdzv-backend --rdzv-endpoint --rdzv-id",
    "sbatch": "--nodes --gpus-per-node --cpus-per-task --time --partition --account --requeue",
    "docker": "--shm-size --ipc --volume",
    "tensorboard": "--logdir",
    "draw_fruit.py": "--images --size",
    "pytest": "--log-cli-level",
}
FOREIGN_OPTIONS = {option for options in FOREIGN.values() for option in options.split()}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
def test_every_link_leads_somewhere(page):
    for link in links_of(page):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link} is not there"
        if anchor:
            assert anchor in anchors_of(path), f"{link}: there are {anchors_of(path)}"


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        for link in links_of(page):
            path = (page.parent / link.partition("#")[0]).resolve()
            if path in DOCS and path not in reached:
                reached.add(path)
                waiting.append(path)
    assert set(DOCS) - reached == set()


def exists(name):
    """Return whether a dotted name of the package stands for a module or for what is in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def names_in(text):
    return re.findall(r"`(vision(?:\.\w+)+)`", text)


@each_page
def test_names_of_the_package_can_be_imported(page):
    # Of a table of old names and new ones, only the new ones are ours.
    text = ours_of_migrating() if page == MIGRATING else prose_of(page)
    assert [name for name in names_in(text) if not exists(name)] == []


@each_page
def test_files_of_the_project_exist(page):
    text = ours_of_migrating() if page == MIGRATING else prose_of(page)
    for path in re.findall(r"`((?:vision|tests|docs|benchmarks)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


@each_page
def test_code_imports_what_exists(page):
    for block in code_of(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "vision":
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), (node.module, alias.name)


@each_page
def test_code_for_detectnet_reads_pictures_as_detectnet_does(page):
    """A photo of a phone was turned upright, which detectnet does not do."""
    for block in code_of(page, "python"):
        if "DetectNet(" in block:
            assert block.count("read_picture(") == block.count("upright=False")


@each_page
def test_commands_have_options_that_exist(page):
    for script, words in commands_of(page):
        for word in words:
            if word.startswith("--"):
                option = hyphens(word.partition("=")[0])
                assert option in options_of(script), f"{script}.py has no {option}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != MIGRATING], ids=name_of)
def test_options_in_a_text_exist(page):
    unknown = set(options_in(prose_of(page))) - all_options() - FOREIGN_OPTIONS
    assert unknown == set()


# docs/architecture.md


def test_the_picture_of_the_floors_is_that_of_the_code():
    graph, wings = read_graph(ROOT), read_wings(ROOT)
    committed = PICTURE.read_text(encoding="utf-8")
    again = "run python3 docs/draw_architecture.py and commit the picture"
    assert drawn_from(committed) == described(graph, wings), again
    assert committed == draw(make_plan(graph, wings, set(SCRIPTS)), graph, wings), again


def test_arrows_that_others_imply_are_left_out_and_none_else():
    graph = {"top": {"middle", "ground"}, "middle": {"ground"}, "ground": set(), "aside": set()}
    assert described(graph, {"middle": ["wing"]}) == {
        "top": {"imports": ["middle"], "holds": []},
        "middle": {"imports": ["ground"], "holds": ["wing"]},
        "ground": {"imports": [], "holds": []},
        "aside": {"imports": [], "holds": []},
    }


def test_boxes_stand_apart_and_above_what_they_import():
    graph, wings = read_graph(ROOT), read_wings(ROOT)
    plan = make_plan(graph, wings, set(SCRIPTS))
    for floor in plan.floors:
        for box, beside in zip(floor, floor[1:]):
            assert box.x + box.width / 2 < beside.x - beside.width / 2
    for way in plan.ways:
        assert [box.floor for box in way] == list(range(way[0].floor, way[-1].floor - 1, -1))


def test_the_table_of_rooms_has_the_rules_that_are_tested():
    section = text_of(ARCHITECTURE).split("## The rooms")[1].split("\n## ")[0]
    table = {}
    for room, _, may_import, _ in table_rows(section):
        names = set(re.findall(r"`(\w+)`", may_import))
        table[room.strip("`/")] = names | GROUND if "the ground" in may_import else names
    assert table == ROOMS


# docs/nets.md and docs/extending.md


def rows_of_nets():
    first_table = text_of(NETS_PAGE).split("`mb1-ssd` is the default")[0]
    return [(row[0].strip("`"), row[2:4]) for row in table_rows(first_table)]


def test_the_table_of_nets_is_that_of_the_code():
    assert [name for name, _ in rows_of_nets()] == list(NETS)


def test_what_the_table_of_nets_says_of_their_size():
    for name, sizes in rows_of_nets():
        with torch.device("meta"):
            net = create_net(name, 9)
        millions = sum(weight.numel() for weight in net.parameters()) / 1e6
        assert sizes == [str(len(net.priors)), f"{millions:.1f} M"]


@pytest.fixture()
def example(monkeypatch):
    """Run the code below a heading of docs/extending.md; return the module that it makes."""

    def run(heading):
        section = text_of(EXTENDING).split(f"## {heading}\n")[1].split("\n## ")[0]
        module = types.ModuleType("example")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        for code in re.findall(r"^```python\n(.*?)^```", section, re.M | re.S):
            exec(compile(code, str(EXTENDING), "exec"), vars(module))
        return module

    yield run
    NETS.pop("tiny-ssd", None)
    DATASETS.pop("boxes", None)


def test_the_example_of_a_net_is_a_net(example):
    example("A net")
    net = create_net("tiny-ssd", num_classes=4, resolution=128)
    scores, boxes = net.eval().detect(torch.zeros(1, 3, 128, 128))
    assert scores.shape == (1, len(net.priors), 4)
    assert boxes.shape == (1, len(net.priors), 4)


def test_the_example_of_a_dataset_format_reads_its_folder(example, tmp_path):
    samples = draw_samples(12, negatives=1)
    lines = []
    for sample in samples:
        write_picture(tmp_path / "images" / f"{sample.image_id}.png", sample.image)
        boxes = [
            " ".join([("red", "green", "blue")[label - 1], *(f"{side:.0f}" for side in box)])
            for box, label in zip(sample.boxes.tolist(), sample.labels)
        ]
        lines.append("; ".join([f"{sample.image_id}.png", *boxes]))
    (tmp_path / "train.boxes").write_text("\n".join(lines[:9]) + "\n", encoding="utf-8")
    (tmp_path / "val.boxes").write_text("\n".join(lines[9:]) + "\n", encoding="utf-8")
    example("A dataset format")
    datasets = open_datasets(tmp_path)
    assert not any(datasets.problems)
    found = [*datasets.train, *datasets.validation]
    assert len(datasets.train) == 9
    for annotation, sample in zip(found, samples):
        assert annotation.boxes.tolist() == sample.boxes.tolist()
        names = [datasets.class_names[label] for label in annotation.labels]
        assert names == [("red", "green", "blue")[label - 1] for label in sample.labels]


def test_the_examples_of_augmentation_change_pictures_and_keep_boxes_right(example, tmp_path):
    module = example("An augmentation")
    blur, shift = module.Blur(probability=1), module.Shift()
    path = tmp_path / "picture.png"
    sample = draw_samples(1, size=(160, 120))[0]
    write_picture(path, sample.image)
    annotation = Annotation("one", str(path), sample.boxes, sample.labels, sample.difficult)

    def seen(geometry, colours):
        transform = TrainTransform(120, geometry=geometry, colours=colours)
        return transform(annotation, np.random.default_rng(3))

    plain, blurred = seen((), ()), seen((), (blur,))
    assert (plain.image != blurred.image).any()
    assert np.abs(cv2.blur(plain.image, (3, 3)).astype(int) - blurred.image).mean() < 3
    moved = seen((shift,), ())
    assert (moved.image != plain.image).any()
    assert pickle.loads(pickle.dumps(shift)) == shift, "loader processes get it pickled"
    assert (moved.boxes != plain.boxes).any()
    for box, label in zip(moved.boxes.round().astype(int), moved.labels):
        left, top, right, bottom = box
        inside = moved.image[top + 3 : bottom - 3, left + 3 : right - 3].reshape(-1, 3)
        colour = inside.mean(axis=0)
        assert colour.argmax() == label - 1, "the square is not under its box"
    everything = seen((*GEOMETRY, shift), (*COLOURS, blur))
    assert everything.image.shape == (120, 120, 3)


def test_the_example_of_an_option_is_read_and_checked(example):
    blur_options = example("An option").BlurOptions
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_options(parser, blur_options)
    assert "share of pictures to blur (default: 0.1)" in parser.format_help()
    typed = vars(parse_options(parser, ["--blur", "0.3"], blur_options))
    assert blur_options.of(typed).blur == 0.3
    with pytest.raises(
        ValueError, match=r"--blur must be a number at least 0 and at most 1, got 2"
    ):
        blur_options.of({"blur": 2})


# docs/migrating.md

OPTIONS = re.compile(r"^### Options of (\w+)\.py\n(.*?)(?=^##|\Z)", re.M | re.S)


def ours_of_migrating(without_options=False):
    """Return the page without its old names: those in headings and first columns."""
    text = prose_of(MIGRATING)
    if without_options:
        text = OPTIONS.sub("", text)
    rows = [" ".join(row[1:]) for row in table_rows(text)]
    prose = [line for line in text.splitlines() if line[:1] not in ("|", "#")]
    return "\n".join([*prose, *rows])


def options_sections():
    """Return (script, rows) of every table of options."""
    sections = OPTIONS.findall(text_of(MIGRATING))
    assert {script for script, _ in sections} >= {"train_ssd", "eval_ssd", "onnx_export"}
    return [(script, table_rows(text)) for script, text in sections]


def test_every_old_option_works_or_is_said_to_be_gone():
    for script, rows in options_sections():
        for old, here, *_ in rows:
            for option in options_in(old):
                gone = here.startswith("gone")
                assert gone != (option in options_of(script)), f"{script}.py {option}: {here}"


def test_every_option_that_replaces_an_old_one_exists():
    for script, rows in options_sections():
        for row in rows:
            ours = " ".join(row[1:])
            others = re.findall(r"`(\w+)\.py", ours)
            known = options_of(script).union(*(options_of(o) for o in others if o in SCRIPTS))
            assert set(options_in(ours)) - FOREIGN_OPTIONS <= known, row
    outside = ours_of_migrating(without_options=True)
    assert set(options_in(outside)) - FOREIGN_OPTIONS <= all_options()


OLD_SCRIPTS = [
    "train_ssd.py",
    "eval_ssd.py",
    "onnx_export.py",
    "run_ssd_example.py",
    "run_ssd_live_demo.py",
    "run_ssd_live_caffe2.py",
    "convert_to_caffe2_models.py",
    "open_images_downloader.py",
    "draw_eval_results.py",
    "extract_tf_weights.py",
    "translate_tf_mobilenetv1.py",
    "visual_tf_models.py",
    "prune_alexnet.py",
    "generate_vocdata.py",
    "coco_downloader.py",
    "setup_coco.sh",
    "validate_image_files.py",
    "fix_coco_annotations.py",
    "eval_coco_test.py",
    "run_video_ssd_example.py",
    "video_ssd_example.py",
]
OLD_MODULES = [
    "vision.datasets.voc_dataset",
    "vision.datasets.open_images",
    "vision.datasets.coco_dataset",
    "vision.datasets.yolo_dataset",
    "vision.datasets.coco_test",
    "vision.datasets.hydo_dataset",
    "vision.datasets.collation",
    "vision.datasets.generate_vocdata",
    "vision.nn.alexnet",
    "vision.nn.mobilenet",
    "vision.nn.mobilenet_v2",
    "vision.nn.mobilenetv3",
    "vision.nn.multibox_loss",
    "vision.nn.scaled_l2_norm",
    "vision.nn.squeezenet",
    "vision.nn.vgg",
    "vision.prunning.prunner",
    "vision.ssd.config",
    "vision.ssd.data_preprocessing",
    "vision.ssd.fpn_mobilenetv1_ssd",
    "vision.ssd.fpn_ssd",
    "vision.ssd.mobilenet_v2_ssd_lite",
    "vision.ssd.mobilenetv1_ssd",
    "vision.ssd.mobilenetv1_ssd_lite",
    "vision.ssd.mobilenetv3_ssd_lite",
    "vision.ssd.predictor",
    "vision.ssd.squeezenet_ssd_lite",
    "vision.ssd.ssd",
    "vision.ssd.vgg_ssd",
    "vision.test.test_vgg_ssd",
    "vision.transforms.transforms",
    "vision.utils.box_utils",
    "vision.utils.box_utils_numpy",
    "vision.utils.measurements",
    "vision.utils.misc",
    "vision.utils.model_book",
    "vision.utils.visualization",
]


def test_every_old_script_and_module_is_on_the_page():
    text = text_of(MIGRATING)
    assert [name for name in OLD_SCRIPTS if f"`{name}`" not in text] == []
    assert [name for name in OLD_MODULES if f"`{name}`" not in text] == []
