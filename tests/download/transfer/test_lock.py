"""One run at a time in a folder."""

import ast
import threading
import time
from pathlib import Path

import vision
from vision.download.transfer.lock import locked


def test_the_second_waits_for_the_first(tmp_path, caplog):
    order = []

    def second():
        with locked(tmp_path / "new"):
            order.append("second")

    with locked(tmp_path / "new"):
        thread = threading.Thread(target=second)
        thread.start()
        while "Waiting for another run" not in caplog.text:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []  # neither has left anything


def test_a_folder_that_was_there_or_is_filled_stays(tmp_path):
    with locked(tmp_path):
        pass
    with locked(tmp_path / "new" / "deep"):
        (tmp_path / "new" / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "file"]


def test_whoever_downloads_a_file_holds_the_lock():
    callers = {}
    for path in Path(vision.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and "download_file" in called_in(function):
                callers[path.name, function.name] = "locked" in called_in(function)
    assert len(callers) >= 2
    assert all(callers.values()), callers


def called_in(function):
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}
