"""Can detectnet open the file and bind it? Checks of the file, its versions, inputs and outputs."""

from __future__ import annotations

import re
from typing import Iterator

import onnx
from onnx import TensorProto, ValueInfoProto

from vision.deploy.onnx_reading import (
    default_opset,
    fixed_shape_of,
    graph_inputs,
    shape_of,
    shape_text,
)
from vision.deploy.readiness.candidate import DEFAULT_BINDINGS, ERROR, WARNING, Candidate, Finding

LARGEST_FILE = 2**31 - 1  # what a protobuf message may have
SHELL_CHARACTERS = re.compile(r"[\s\"'$&;|<>()*?`\\#!\[\]{}~]")


def check_extension(candidate: Candidate) -> Iterator[Finding]:
    """Check the extension, which alone tells detectnet that this is an SSD."""
    if candidate.path.suffix.lower() != ".onnx":
        message = f"the file must be called *.onnx, it is {candidate.path.name}; rename it"
        yield Finding("extension", ERROR, message)


def check_one_file(candidate: Candidate) -> Iterator[Finding]:
    """Check that all is in one file: the checksum of detectnet's engine cache covers no other."""
    outside = [
        tensor.name
        for tensor in candidate.model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
    ]
    if outside:
        message = f"all weights must be in the file, {len(outside)} are in another ('{outside[0]}')"
        yield Finding("external-data", ERROR, f"{message}; save it without external data")
    size = candidate.model.ByteSize()
    if size > LARGEST_FILE:
        message = f"the file must be under 2 GB, it has {size} bytes; take a smaller net"
        yield Finding("file-size", ERROR, message)


def check_well_formed(candidate: Candidate) -> Iterator[Finding]:
    """Ask the checker of ONNX itself, with shapes inferred."""
    try:
        onnx.checker.check_model(candidate.model, full_check=True)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        UnicodeDecodeError,  # its own sentence quotes a file that is none
    ) as error:
        reason = " ".join(str(error).split())
        message = (
            f"the file must be valid ONNX, the checker of onnx says: {reason}; export it again"
        )
        yield Finding("malformed", ERROR, message)


def check_path(candidate: Candidate) -> Iterator[Finding]:
    """Look for what breaks detectnet's shell commands, which do not quote the path."""
    found = SHELL_CHARACTERS.search(str(candidate.path))
    if found:
        message = (
            f"the path should have no blanks and no shell characters, '{candidate.path}' has"
            f" {found.group()!r}; detectnet would build its engine anew at every start: rename it"
        )
        yield Finding("path", WARNING, message)


def check_no_stale_engine(candidate: Candidate) -> Iterator[Finding]:
    """Look for engines of an older file, which detectnet before August 2022 takes for this one."""
    engines = sorted(candidate.path.parent.glob(engine_pattern(candidate.path.name)))
    if not engines or not candidate.path.exists():
        return
    changed = candidate.path.stat().st_mtime
    stale = [engine.name for engine in engines if engine.stat().st_mtime < changed]
    if stale:
        message = f"an engine must not be older than its file, {', '.join(stale)} is; delete it"
        yield Finding("stale-engine", WARNING, message)


def engine_pattern(name: str) -> str:
    """Return the glob pattern of the engines that detectnet keeps beside a file of this name."""
    return re.sub(r"([*?[])", r"[\1]", name) + ".*.engine"


def check_domains(candidate: Candidate) -> Iterator[Finding]:
    """Check that there are operators of ONNX itself only, and no functions."""
    model = candidate.model
    users = [*model.graph.node, *model.opset_import]
    foreign = sorted({user.domain for user in users} - {"", "ai.onnx"})
    if foreign or model.functions:
        named = foreign or [function.name for function in model.functions]
        message = (
            f"the graph must use standard operators only, it uses {', '.join(named)}; export"
            " without extensions"
        )
        yield Finding("domain", ERROR, message)


def check_opset(candidate: Candidate) -> Iterator[Finding]:
    """Check that the opset is in the target's range, and the one that was asked for."""
    opset, target = default_opset(candidate.model), candidate.target
    if opset is None or not target.first_opset <= opset <= target.last_opset:
        message = (
            f"the opset must be {target.first_opset} to {target.last_opset} for {target},"
            f" it is {opset}; export with --target={target.option}"
        )
        yield Finding("opset", ERROR, message)
    if candidate.expected_opset not in (None, opset):
        message = (
            f"the opset must be {candidate.expected_opset} as asked for, it is {opset}; this torch"
            " cannot write it: leave --opset out"
        )
        yield Finding("opset-not-kept", ERROR, message)


def check_ir_version(candidate: Candidate) -> Iterator[Finding]:
    """Check the IR version, which TensorRT only prints and old builds of onnxruntime refuse."""
    version, target = candidate.model.ir_version, candidate.target
    if version > target.last_ir_version:
        message = (
            f"the IR version should be at most {target.last_ir_version} for {target}, it is"
            f" {version}; export with --target={target.option}"
        )
        yield Finding("ir-version", WARNING, message)


def check_input(candidate: Candidate) -> Iterator[Finding]:
    """Check that there is one float32 input [1,3,H,W] of fixed size."""
    inputs = graph_inputs(candidate.model)
    if [value.name for value in inputs] != [candidate.bindings.input]:
        names = ", ".join(value.name for value in inputs) or "none"
        message = (
            f"the only input must be '{candidate.bindings.input}', the file has: {names}; export"
            " the net alone, with one input"
        )
        yield Finding("input-name", ERROR, message)
        return
    yield from _check_float(inputs[0], "input")
    shape = fixed_shape_of(inputs[0])
    if shape is None or len(shape) != 4 or shape[1] != 3:
        message = (
            "the input must have the fixed shape [1,3,H,W],"
            f" it is {shape_text(shape_of(inputs[0].type))};"
            " detectnet gives TensorRT no range for open dimensions and feeds planes, not pixels:"
            " export without dynamic axes"
        )
        yield Finding("input-shape", ERROR, message)
    elif shape[0] != 1:
        message = (
            f"the batch size must be 1, it is {shape[0]}; detectnet has room for one picture:"
            " leave --batch-size out"
        )
        yield Finding("batch-size", ERROR, message)


def check_outputs(candidate: Candidate) -> Iterator[Finding]:
    """Check for two float32 outputs: scores [1,P,C] with C from 2 on, boxes [1,P,4], the same P."""
    outputs = {value.name: value for value in candidate.model.graph.output}
    names = [candidate.bindings.scores, candidate.bindings.boxes]
    if set(outputs) != set(names):
        message = (
            f"the outputs must be {' and '.join(names)}, the file has:"
            f" {', '.join(outputs)}; export with these two alone"
        )
        yield Finding("output-names", ERROR, message)
        return
    for name in names:
        yield from _check_float(outputs[name], f"output '{name}'")
    scores, boxes = (fixed_shape_of(outputs[name]) or () for name in names)
    is_right = len(scores) == 3 and boxes == (*scores[:2], 4) and scores[2] >= 2
    if not is_right:
        found = " and ".join(shape_text(shape_of(outputs[name].type)) for name in names)
        message = (
            "scores must have the fixed shape [1,P,C] with 2 classes or more and boxes [1,P,4],"
            f" they are {found}; export an SSD with onnx_export.py"
        )
        yield Finding("output-shape", ERROR, message)


def check_names(candidate: Candidate) -> Iterator[Finding]:
    """Check the names: others than the documented ones need other options."""
    if candidate.bindings != DEFAULT_BINDINGS:
        message = f"the names should be {', '.join(DEFAULT_BINDINGS)}; with these, detectnet needs"
        yield Finding("names", WARNING, f"{message} {candidate.bindings.options}")


def _check_float(value: ValueInfoProto, role: str) -> Iterator[Finding]:
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        message = (
            f"the {role} must be float32, it is {TensorProto.DataType.Name(kind).lower()}; export"
            " the net in float32"
        )
        yield Finding("binding-type", ERROR, message)


FILE_CHECKS = (
    check_extension,
    check_one_file,
    check_well_formed,
    check_path,
    check_no_stale_engine,
)
VERSION_CHECKS = (check_domains, check_opset, check_ir_version)
INTERFACE_CHECKS = (check_input, check_outputs, check_names)
