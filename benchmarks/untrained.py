"""Nets for benchmarks that are given none: untrained, with about as many boxes as a trained one."""

from __future__ import annotations

from pathlib import Path

NET, CLASSES = "mb1-ssd", 8


def untrained(folder: Path) -> list[Path]:
    """Write a net that finds about 10 boxes of every class, as a .pth and as a .onnx."""
    from vision.checkpoints.detector import load_detector
    from vision.deploy.export import build_model
    from vision.utils.labels import write_labels

    weights, exported = folder / f"{NET}.pth", folder / f"{NET}.onnx"
    write_untrained(weights, CLASSES)
    detector = load_detector(weights)
    side = detector.description.config.image_size
    model = build_model(detector.net, (1, 3, side, side), opset=11)
    exported.write_bytes(model.SerializeToString())
    write_labels(folder / "labels.txt", detector.description.class_names)
    return [weights, exported]


def write_untrained(path: Path, classes: int) -> None:
    """Write a net whose scores exceed 0.01 about as often as those of a trained one."""
    import torch

    from vision.checkpoints.description import Description
    from vision.checkpoints.weights_file import save_weights
    from vision.ssd import create_net
    from vision.ssd.config import mobilenet_config

    torch.manual_seed(0)
    names = class_names(classes)
    net = create_net(NET, len(names))
    for header in net.classification_headers:
        weight, bias = header.parameters()
        torch.nn.init.normal_(weight, std=2)
        torch.nn.init.zeros_(bias)
        bias.data.view(-1, len(names))[:, 0] = 7
    save_weights(path, net.state_dict(), Description(NET, tuple(names), mobilenet_config()))


def class_names(classes: int) -> list[str]:
    """Return names for `classes` classes, BACKGROUND first."""
    return ["BACKGROUND", *(f"class-{number}" for number in range(1, classes + 1))]
