"""What a file must be for detectnet: one sentence for each code of the checks."""

from __future__ import annotations

# Group of checks -> code of a finding -> what holds where there is no such finding.
REQUIREMENTS: dict[str, dict[str, str]] = {
    "file": {
        "extension": "the name ends in .onnx",
        "external-data": "all weights are in the file",
        "file-size": "the file is smaller than 2 GB",
        "malformed": "the checker of onnx accepts it",
        "path": "the path has no blanks and no shell characters",
        "stale-engine": "no TensorRT engine of an older file lies beside it",
    },
    "versions": {
        "domain": "all operators are standard ones",
        "opset": "TensorRT reads its opset",
        "opset-not-kept": "the opset is the one that was asked for",
        "ir-version": "TensorRT knows its IR version",
    },
    "interface": {
        "input-name": "one input, under the name that detectnet is given",
        "input-shape": "the input has the fixed shape [1,3,H,W]",
        "batch-size": "the input takes one picture",
        "output-names": "two outputs, under the names that detectnet is given",
        "output-shape": "scores are [1,P,C], boxes [1,P,4], all fixed",
        "binding-type": "input and outputs are float32",
        "names": "the names are input_0, scores and boxes",
    },
    "graph": {
        "open-shape": "every tensor inside has a fixed shape",
        "operator": "TensorRT has every operator",
        "computed-constant": "what TensorRT wants as a constant is one",
        "padding": "only height and width are padded, with zeros",
        "type": "no float64, float16 or Cast",
        "large-integer": "integers fit 32 bits",
        "batch-norm": "batch norms are folded into convolutions",
        "dropout": "no dropout is left",
        "half-range": "weights fit FP16",
    },
    "numbers": {
        "not-finite": "no output is infinite or undefined",
        "scores": "scores of a row are 0 to 1 and sum to 1",
        "boxes": "boxes are corners, as fractions of the picture",
        "background": "class 0 wins where nothing is to be seen",
        "parity": "the numbers are those of the net",
        "nms": "NMS in the graph loses no box",
        "nms-rounds": "NMS in the graph leaves no box too many",
        "half-activation": "values inside the net fit FP16",
        "normalisation": "made for the pixels that detectnet feeds",
    },
    "labels": {
        "label-count": "labels.txt has a line for each class",
        "label-background": "its first line is BACKGROUND",
        "label-line": "no line is blank, double, padded or too long",
        "label-synset": "no name looks like an ImageNet id",
        "label-void": "no class is called void",
    },
}
