from __future__ import annotations

import pytest

from vision.deploy.onnx_reading import open_session


def test_a_session_of_a_file_and_of_its_content(toy_bytes, tmp_path):
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_bytes)
    for model in (path, str(path), toy_bytes):
        assert [value.name for value in open_session(model).get_outputs()] == ["scores", "boxes"]


def test_errors_are_one_line_and_name_the_file(tmp_path, toy_model):
    with pytest.raises(FileNotFoundError, match=r"no model .*absent\.onnx"):
        open_session(tmp_path / "absent.onnx")
    damaged, unheard = tmp_path / "damaged.onnx", tmp_path / "unheard.onnx"
    damaged.write_bytes(b"no protobuf")
    toy_model.graph.node[0].op_type = "Unheard"
    unheard.write_bytes(toy_model.SerializeToString())
    for path in (damaged, unheard):
        with pytest.raises(ValueError, match=f"{path} must") as error:
            open_session(path)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="the graph must run in onnxruntime"):
        open_session(unheard.read_bytes())
    with pytest.raises(ValueError, match=r"mine\.onnx must run in onnxruntime"):
        open_session(unheard.read_bytes(), "mine.onnx")
