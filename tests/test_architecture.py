"""The rules of the house, as far as a program can check them."""

from __future__ import annotations

import ast
import collections
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(ROOT.glob("*.py"))
MODULES = sorted((ROOT / "vision").rglob("*.py"))
FILES = [*SCRIPTS, *MODULES]

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MAY_BE_LONG = {("train_ssd.py", "train")}  # the training loop
MOST_PARAMETERS = 6  # beside self
MOST_FILES = 18  # in a folder
HEAVY = ("torch", "torchvision", "cv2", "pandas", "boto3", "onnx", "onnxruntime", "matplotlib")
TOO_NEW = {"BooleanOptionalAction", "removeprefix", "removesuffix", "Match"}  # for Python 3.8

# What a room of the package may import beside itself: the same table as in docs/architecture.md.
FLOOR = {"structures", "utils"}
SEEING = FLOOR | {"pictures"}
ROOMS = {
    "structures": set(),
    "utils": {"structures"},
    "nn": FLOOR,
    "pictures": FLOOR,
    "transforms": SEEING,
    "video": SEEING,
    "evaluation": SEEING,
    "deploy": SEEING | {"evaluation"},
    "ssd": SEEING | {"nn", "transforms"},
    "datasets": SEEING,
    "loading": SEEING | {"datasets", "transforms"},
    "download": SEEING | {"datasets"},
    "checkpoints": SEEING | {"nn", "ssd", "transforms", "deploy"},
    "live": SEEING | {"video", "datasets", "deploy", "checkpoints", "ssd"},
    "training": SEEING
    | {"nn", "ssd", "datasets", "transforms", "evaluation", "loading", "checkpoints", "deploy"},
}


@functools.lru_cache(maxsize=None)
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def room_of(path):
    return path.relative_to(ROOT / "vision").with_suffix("").parts[0]


def nodes(path, *kinds):
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def functions(path):
    return nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)


def parameters(function):
    arguments = function.args
    names = [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    return [name for name in names if name not in ("self", "cls")]


def imports(path):
    """Return the dotted names that a file imports, anywhere in it, relative ones made absolute."""
    names = [alias.name for node in nodes(path, ast.Import) for alias in node.names]
    here = path.relative_to(ROOT).with_suffix("").parts
    for node in nodes(path, ast.ImportFrom):
        module = [*here[: len(here) - node.level]] if node.level else []
        module += [node.module] if node.module else []
        names += [".".join([*module, alias.name]) for alias in node.names]
    return names


def python(code, *words):
    """Run a program in an interpreter of its own."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_room_of_the_package_has_its_rule():
    assert len(SCRIPTS) >= 7
    assert {room_of(path) for path in MODULES} - {"__init__"} <= set(ROOMS)


def test_files_are_small_enough_to_see():
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_a_folder_holds_few_files():
    counts = collections.Counter(path.parent for path in MODULES)
    assert {name_of(folder): n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_functions_are_small_enough_to_see():
    lengths = {
        (name_of(path), function.name): function.end_lineno - function.lineno + 1
        for path in FILES
        for function in functions(path)
    }
    for place in MAY_BE_LONG:
        assert lengths.pop(place) > MOST_LINES_OF_A_FUNCTION
    assert {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_functions_ask_for_few_things():
    greedy = [
        (name_of(path), function.name)
        for path in MODULES
        for function in functions(path)
        if len(parameters(function)) > MOST_PARAMETERS
        if function.name != "__init__"  # the parts of a layer or of a net
    ]
    assert greedy == []


def only_defines(statement):
    if isinstance(statement, ast.Expr):  # a docstring
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Try):  # an import and its substitute
        return all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in statement.body)
    if isinstance(statement, ast.If):
        return any(word in ast.dump(statement.test) for word in ("__main__", "TYPE_CHECKING"))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    return isinstance(statement, (*definitions, ast.Import, ast.ImportFrom))


def test_importing_does_nothing():
    assert [
        (name_of(path), statement.lineno)
        for path in FILES
        for statement in tree_of(path).body
        if not only_defines(statement)
    ] == []


def test_nothing_newer_than_python_3_8():
    found = [
        (name_of(path), node.lineno)
        for path in FILES
        for node in ast.walk(tree_of(path))
        if {getattr(node, "attr", ""), getattr(node, "id", ""), type(node).__name__} & TOO_NEW
    ]
    assert found == []


def is_private(node):
    return getattr(node, "name", "").startswith("_")


def test_what_others_use_says_what_it_does():
    silent = [name_of(path) for path in FILES if not ast.get_docstring(tree_of(path))]
    for path in MODULES:
        for parent in nodes(path, ast.Module, ast.ClassDef):
            silent += [
                (name_of(path), node.name)
                for node in parent.body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))
                if not (is_private(parent) or is_private(node) or ast.get_docstring(node))
            ]
    assert silent == []


def test_the_package_neither_prints_nor_knows_a_command_line():
    for path in MODULES:
        assert "print" not in {node.id for node in nodes(path, ast.Name)}, name_of(path)
        assert "argparse" not in imports(path), name_of(path)
        if path.name != "cli.py":
            taken = {name for function in functions(path) for name in parameters(function)}
            assert "args" not in taken, name_of(path)


def test_imports_point_one_way():
    scripts = {script.stem for script in SCRIPTS}
    wrong = []
    for path in MODULES:
        for name in imports(path):
            first, *others = name.split(".")
            upwards = (
                first == "vision"
                and others
                and others[0]
                not in (
                    room_of(path),
                    *ROOMS.get(room_of(path), ()),
                )
            )
            if first in scripts or upwards:
                wrong.append((name_of(path), name))
    assert wrong == []


def test_the_emulation_of_detectnet_knows_nothing_of_what_is_built_on_it():
    below = ("emulation", "outputs", "stored_settings")
    for path in (ROOT / "vision" / "deploy" / "emulation").glob("*.py"):
        used = [name.split(".")[2] for name in imports(path) if name.startswith("vision.deploy.")]
        assert set(used) <= set(below), name_of(path)


def test_of_the_nets_only_the_predictor_looks_at_pictures():
    for path in (ROOT / "vision" / "ssd").glob("*.py"):
        looks = any(name.startswith(("vision.transforms", "cv2")) for name in imports(path))
        assert not looks or path.name == "predictor.py", name_of(path)


def public_names(path):
    """Return what a file defines for others, at its top level."""
    for node in tree_of(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_a_public_name_has_one_meaning():
    """A search for a name finds one thing."""
    places = collections.defaultdict(set)
    for path in MODULES:
        for name in public_names(path):
            if not name.startswith("_") and name != "logger":
                places[name].add(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_failure_is_swallowed():
    for path in FILES:
        for handler in nodes(path, ast.ExceptHandler):
            caught = handler.type and ast.dump(handler.type)
            assert caught, (name_of(path), handler.lineno)
            assert "'Exception'" not in caught, (name_of(path), handler.lineno)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_say_how_to_use_them(path):
    usage = ast.get_docstring(tree_of(path))
    assert "Usage:" in usage
    assert f"python3 {path.name}" in usage
    names = {function.name: parameters(function) for function in functions(path)}
    assert names["parse_args"][0] == "argv"
    assert names["main"] == ["args"]


HELP = """
import runpy, sys
script, *heavy = sys.argv[1:]
sys.argv = [script, "--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit as end:
    print("status", end.code)
print("imported", sorted(set(heavy) & set(sys.modules)))
"""


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_help_answers_without_heavy_imports(path):
    done = python(HELP, path, *HEAVY)
    assert done.stderr == ""
    assert done.stdout.startswith("usage: ")
    assert done.stdout.splitlines()[-2:] == ["status 0", "imported []"]


def test_a_net_is_built_without_opencv_and_pandas():
    done = python(
        "import sys; from vision.ssd import create_net; create_net('mb3-small-ssd-lite', 2, 64); "
        "print(sorted({'cv2', 'pandas', 'torchvision'} & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
