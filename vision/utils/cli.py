"""What every script does around its work: options of either spelling, logs, one-line failures."""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from vision.utils.files import file_fault
from vision.utils.options import Options, checked
from vision.utils.text import printable

# What a user can cause and can mend: bad values and files (ValueError, OSError), a missing package,
# tensors that do not fit or a device without memory (RuntimeError).
USER_ERRORS = (ValueError, OSError, ImportError, RuntimeError)

SURE_GUESS = 0.8  # how alike an option must be to one that was typed, to be meant by it
MOST_NEAR = 3
LONGEST_ERROR = 600  # letters, of which what was typed may be most
WEIGHTS = (".pth", ".tar", ".onnx")  # how files end that may be meant by MODEL
BROKEN_PIPE = 128 + 13  # exit status, as of a program that SIGPIPE ended
# What other programs call our options; the first one that a script has is meant.
SYNONYMS = {
    **dict.fromkeys(("--imgsz", "--img-size", "--img", "--image-size"), ("--resolution",)),
    "--weights": ("--pretrained-ssd", "--trained-model", "--model", "--input", "--model-dir"),
    "--model": ("--input", "--net"),
    "--arch": ("--net",),
    **dict.fromkeys(("--conf", "--conf-thres", "--confidence"), ("--threshold",)),
    **dict.fromkeys(("--iou", "--iou-thres"), ("--iou-threshold", "--nms-threshold")),
    "--device": ("--use-cuda",),
    "--cuda": ("--use-cuda",),
    **dict.fromkeys(("--project", "--name", "--save-dir", "--output-dir"), ("--model-dir",)),
    "--lr0": ("--lr",),
    "--max-boxes": ("--max-annotations-per-class", "--top-k"),
    **dict.fromkeys(("--max-det", "--max-detections"), ("--top-k",)),
}
# Options of other programs for what is so here in any case: an option that a script must have for
# that, and what is so.
DROPPED_OPTIONS = {
    **dict.fromkeys(
        ("--input", "--image", "--images", "--picture", "--pictures", "--source"),
        ("--input-blob", "pictures, videos and cameras are typed without an option"),
    ),
    "--cache": ("--workers", "pictures are read by --workers processes while the net computes"),
    "--half": ("--no-amp", "a GPU computes in half precision unless --no-amp is typed"),
    "--amp": ("--no-amp", "a GPU computes in half precision unless --no-amp is typed"),
    "--tensorboard": ("--model-dir", "curves are always written to tensorboard/ in --model-dir"),
    **dict.fromkeys(
        ("--amsgrad", "--dampening", "--eps"),
        ("--optim", "optimizers have PyTorch's value of it here"),
    ),
    "--profile": ("--debug-steps", "nothing is profiled here; py-spy and torch.profiler do that"),
}


def parse_options(
    parser: Any, argv: Sequence[str] | None, options: type[Options] | None = None
) -> Any:
    """Parse with an argparse parser; `--some_option` reads as `--some-option`.

    An unknown option ends in a usage error that names the nearest known one, and so does a value
    that `options` do not take.
    """
    survive_any_output()
    # An abbreviation would give a typing error the meaning of another option.
    parser.allow_abbrev = False
    argv = [_as_meant(word) for word in (sys.argv[1:] if argv is None else argv)]
    try:
        args, unknown = parser.parse_known_args(argv)
    except BrokenPipeError:  # of --help, before Python 3.10
        _let_go_of_output()
        raise SystemExit(BROKEN_PIPE) from None
    except SystemExit:  # after --help
        _flush_or_end()
        raise
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        typed = unknown[0].split("=")[0]
        parser.error(f"unrecognized argument {printable(unknown[0])}{_advice(typed, known)}")
    for one in fields(options) if options else ():
        if one.name in vars(args):
            value = getattr(args, one.name)
            if one.metadata["nargs"] == ",":
                value = _joined(value)
            try:
                setattr(args, one.name, checked(one, value))
            except ValueError as error:
                parser.error(printable(str(error), LONGEST_ERROR))
    return args


def _joined(typed: Sequence[str]) -> str:
    """Return the lists that were typed for one option as one; an empty text begins it anew."""
    begin = max((i + 1 for i, text in enumerate(typed) if not text), default=0)
    return ",".join(typed[begin:])


def require_partners(parser: Any, args: Any, partners: Mapping[str, str]) -> None:
    """End in a usage error where an option was typed without the one that gives it a meaning.

    Args:
        partners: the option that is needed, by the one that needs it, both as `args` names them.
    """
    for name, needed in partners.items():
        if name in vars(args) and getattr(args, needed, None) is None:
            option, other = (f"--{one.replace('_', '-')}" for one in (name, needed))
            parser.error(f"{option} needs {other}, without which it means nothing; type both")


def order_fault(model: str, labels: str) -> str:
    """Return what is wrong with two of the words NET MODEL LABELS SOURCE, "" if nothing is."""
    if Path(labels).suffix.lower() not in WEIGHTS and Path(model).suffix.lower() != ".txt":
        return ""
    return (
        "of NET MODEL LABELS the second must be the .pth or .onnx and the third the list of class "
        f"names, got {printable(model)} and {printable(labels)}"
    )


def _advice(typed: str, known: Sequence[str]) -> str:
    """Return what to type in place of an unknown option; nothing where that is not sure."""
    ours = [option for option in SYNONYMS.get(typed, ()) if option in known]
    if ours:
        return f"; here it is {ours[0]}"
    needed, words = DROPPED_OPTIONS.get(typed, ("", ""))
    if needed in known:
        return f"; leave it out: {words}"
    begun = [option for option in known if option.startswith(typed)] if len(typed) > 4 else []
    near = begun or difflib.get_close_matches(typed, known, n=1, cutoff=SURE_GUESS)
    return f"; did you mean {' or '.join(near)}?" if 0 < len(near) <= MOST_NEAR else ""


def _as_meant(word: str) -> str:
    """Return an option with hyphens, and with the home folder, which shells leave as `=~/data`."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    if value.partition("/")[0] == "~":
        value = str(Path(value).expanduser())
    return name.replace("_", "-") + equals + value


def survive_any_output() -> None:
    """Write letters that the terminal or locale lacks by their numbers: none shall be fatal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _LogHandler(logging.StreamHandler):
    """Ends the program where nobody reads its lines any more, as in `script | head`."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """End the program where its output is closed; report any other failure as logging does."""
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            _let_go_of_output()
            raise SystemExit(BROKEN_PIPE)
        super().handleError(record)


def _let_go_of_output() -> None:
    """Send what is still to be written to standard output nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a test's output is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _flush_or_end() -> None:
    """Write what is still to be written to standard output; end where nobody reads it any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_output()
        raise SystemExit(BROKEN_PIPE) from None


def set_up_logging(level: str = "info") -> None:
    """Write log lines to standard output, with the date and time in front."""
    survive_any_output()
    handler = _LogHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s - %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def silence_opencv() -> None:
    """Keep OpenCV and FFmpeg from lines of their own; call this before cv2 is imported.

    What they are about is said in a sentence by whoever opens a video. The environment may ask for
    them all the same.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def run_main(main: Callable[[Any], int | None], args: Any) -> int:
    """Run a script's main; return its exit status: 0 done, 1 failed, 130 interrupted.

    A failure is one line on standard error; with `args.debug` it keeps its traceback. Where nobody
    reads the output any more, as in `script | head`, the script ends without a word.
    """
    try:
        status = main(args) or 0
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except USER_ERRORS as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            _let_go_of_output()
            return BROKEN_PIPE
        if getattr(args, "debug", False):
            raise
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 1


def _nobody_reads() -> bool:
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def one_line(error: BaseException) -> str:
    """Return what an error says as one line, with its kind where the text alone says little.

    That is so of most errors of Python and its libraries, not of ours, nor of a ValueError.
    """
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and text.startswith("No module named"):
        # Most often the environment was made, and the shell is not in it.
        return (
            f"{text} for {sys.executable}; type 'source .venv/bin/activate' in the folder of this "
            "suite first, after 'make setup'"
        )
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        # Python's own error; ours are sentences, and name no file beside them.
        return f"there is no file or folder {printable(str(error.filename))}; check the path"
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{printable(str(error.filename))}: {file_fault(error)}"
    ours = type(error).__module__.startswith("vision.")
    # Python's errors of a file have a number; one without has been raised with a sentence.
    ours |= isinstance(error, OSError) and error.errno is None
    if text and (ours or isinstance(error, (ValueError, FileNotFoundError, ImportError))):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
