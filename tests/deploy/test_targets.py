from __future__ import annotations

import pytest

from vision.deploy.targets import EXPORTABLE_OPSETS, oldest_target


@pytest.mark.parametrize(
    ("opset", "operators", "name"),
    [
        (9, [], "TensorRT 7.1"),
        (11, ["Conv"], "TensorRT 7.1"),
        (11, ["HardSwish"], "TensorRT 8.5 and 8.6"),
        (12, [], "TensorRT 8.0 to 8.2"),
        (13, [], "TensorRT 8.0 to 8.2"),
        (14, [], "TensorRT 8.4"),
        (17, ["HardSwish"], "TensorRT 8.5 and 8.6"),
        (18, [], "TensorRT 10"),
        (20, [], "TensorRT 10"),
        (17, ["NoSuchThing"], "TensorRT 8.4"),
    ],
)
def test_the_oldest_reader_of_an_opset(opset, operators, name):
    assert oldest_target(opset, operators).name == name


def test_every_exportable_opset_has_a_reader():
    for opset in EXPORTABLE_OPSETS:
        assert oldest_target(opset)


def test_no_reader():
    with pytest.raises(ValueError, match="no TensorRT of a Jetson reads opset 21"):
        oldest_target(21)
