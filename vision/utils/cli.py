"""What every script does around its work: options of either spelling, logs, one-line failures."""

from __future__ import annotations

import difflib
import logging
import sys
from dataclasses import fields
from typing import Any, Callable, Sequence

from vision.utils.options import Options, checked

# What a user can cause and can mend: bad values and files (ValueError, OSError), a missing package,
# tensors that do not fit or a device without memory (RuntimeError).
USER_ERRORS = (ValueError, OSError, ImportError, RuntimeError)


def parse_options(
    parser: Any, argv: Sequence[str] | None, options: type[Options] | None = None
) -> Any:
    """Parse with an argparse parser; `--some_option` reads as `--some-option`.

    An unknown option ends in a usage error that names the nearest known one, and so does a value
    that `options` do not take.
    """
    # An abbreviation would give a typing error the meaning of another option.
    parser.allow_abbrev = False
    argv = [_hyphenated(word) for word in (sys.argv[1:] if argv is None else argv)]
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        parser.error(f"unrecognized argument {unknown[0]}{hint}")
    for one in fields(options) if options else ():
        if one.name in vars(args):
            try:
                setattr(args, one.name, checked(one, getattr(args, one.name)))
            except ValueError as error:
                parser.error(str(error))
    return args


def _hyphenated(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def boolean(text: str) -> bool:
    """Read the value of an option such as `--use-cuda false`.

    Raises:
        ValueError: for anything but the usual words.
    """
    words = {"yes": True, "true": True, "t": True, "y": True, "1": True, "on": True}
    words.update({"no": False, "false": False, "f": False, "n": False, "0": False, "off": False})
    try:
        return words[text.lower()]
    except KeyError:
        raise ValueError(f"expected true or false, got {text!r}") from None


def lower(text: str) -> str:
    """Read the value of an option that may be typed in capitals."""
    return text.lower()


def set_up_logging(level: str = "info") -> None:
    """Write log lines to standard output, with the date and time in front."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s - %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def run_main(main: Callable[[Any], int | None], args: Any) -> int:
    """Run a script's main; return its exit status: 0 done, 1 failed, 130 interrupted.

    A failure is one line on standard error; with `args.debug` it keeps its traceback.
    """
    try:
        return main(args) or 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except USER_ERRORS as error:
        if getattr(args, "debug", False):
            raise
        sys.stderr.write(f"error: {one_line(error)}\n")
        return 1


def one_line(error: BaseException) -> str:
    """Return what an error says as one line, with its kind where the text alone says little.

    That is so of most errors of Python and its libraries, not of ours, nor of a ValueError.
    """
    text = " ".join(str(error).split())
    ours = type(error).__module__.startswith("vision.")
    if text and (ours or isinstance(error, (ValueError, FileNotFoundError, ImportError))):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
