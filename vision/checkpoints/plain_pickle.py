"""Reading pickles as plain data: nothing that a file says is called, imported or changed.

The pickle of Python builds whatever objects a file names. This reader knows lists, tuples, dicts,
numbers, text, and the few functions that it is given; anything else becomes `Ignored`.
"""

from __future__ import annotations

import collections
import pickletools
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Mapping

Rebuild = Callable[..., Any]
PLAIN_KEYS = (
    str,
    int,
    float,
    bytes,
    type(None),
)  # of dicts; a tuple's hash may recurse without end
METADATA = "_metadata"  # the one attribute that is kept: torch's, of a state dict


class Ignored:
    """Stands for an object that is neither a tensor nor plain data, such as a saved schedule."""


@dataclass(frozen=True)
class Named:
    """A class or a function that a file names; it is never looked up."""

    module: str
    name: str


def read_pickle(
    file: BinaryIO, functions: Mapping[Named, Rebuild], persistent: Callable[[Any], Any]
) -> Any:
    """Read one pickle, and leave the file behind it.

    Args:
        file: at the start of the pickle.
        functions: what may be called, by the name that a file has for it; each checks its
            arguments, which may be anything, and raises ValueError.
        persistent: returns what a persistent id stands for.

    Raises:
        ValueError: if it is damaged, or no pickle.
    """
    machine = _Machine(functions, persistent)
    try:
        for code, argument, _ in pickletools.genops(file):
            if code.name == "STOP":
                return machine.stack.pop()
            machine.run(code.name, argument)
    except (LookupError, OverflowError, MemoryError) as error:
        raise ValueError(f"its pickle is damaged ({type(error).__name__})") from None
    raise ValueError("its pickle has no end")


class _Machine:
    """The stack that the codes of a pickle work on."""

    def __init__(
        self, functions: Mapping[Named, Rebuild], persistent: Callable[[Any], Any]
    ) -> None:
        self.functions, self.persistent = functions, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def run(self, code: str, argument: Any) -> None:
        """Do what one code says."""
        if code in VALUES:
            self.push(argument)
        elif code in CONSTANTS:
            self.push(CONSTANTS[code]())
        elif code.endswith("PUT"):
            self.memo[int(argument)] = self.stack[-1]
        elif code == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif code.endswith("GET"):
            self.push(self.memo[int(argument)])
        elif code == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif code in BUILDERS:
            BUILDERS[code](self, argument)
        elif code not in ("PROTO", "FRAME"):
            raise ValueError(f"its pickle has the unknown code {code}")

    def push(self, value: Any) -> None:
        """Put a value on the stack, which a mark may have changed since."""
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """Take and return what is above the latest mark."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def take(self, number: int) -> list[Any]:
        """Take and return the topmost values."""
        if len(self.stack) < number:
            raise IndexError
        values = self.stack[len(self.stack) - number :]
        del self.stack[len(self.stack) - number :]
        return values

    def call(self, function: Any, arguments: Any) -> None:
        """Push what a known function makes of the arguments."""
        result: Any = Ignored()
        if isinstance(function, Named) and isinstance(arguments, tuple):
            rebuild = self.functions.get(function)
            result = rebuild(*arguments) if rebuild else result
        self.push(result)

    def extend(self, values: list[Any]) -> None:
        """Append to the list on top."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        """Put keys and values, by turns, into the dict on top."""
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_pairs(values))

    def build(self) -> None:
        """Set the attributes of the object below; only one of state dicts is kept."""
        (state,) = self.take(1)
        target = self.stack[-1]
        metadata = state.get(METADATA) if isinstance(state, dict) else None
        if isinstance(target, collections.OrderedDict) and isinstance(metadata, dict):
            vars(target)[METADATA] = metadata


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("its pickle has a key without a value")
    pairs = zip(values[::2], values[1::2])
    return {key: value for key, value in pairs if isinstance(key, PLAIN_KEYS)}


def _push_named(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.push(Named(module, name))


def _push_named_of_stack(machine: _Machine, argument: None) -> None:
    module, name = machine.take(2)
    known = isinstance(module, str) and isinstance(name, str)
    machine.push(Named(module, name) if known else Ignored())


def _ignore_mark(machine: _Machine, argument: Any) -> None:
    machine.since_mark()
    machine.push(Ignored())


def _ignore(number: int) -> Callable[[_Machine, Any], object]:
    def replace(machine: _Machine, argument: Any) -> None:
        machine.take(number)
        machine.push(Ignored())

    return replace


PICKLED_NUMBERS = (
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "FLOAT",
    "BINFLOAT",
)
TEXTS = ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING")  # of Python 2
BYTES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
VALUES = frozenset((*PICKLED_NUMBERS, *TEXTS, *STRINGS, *BYTES))
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": type(None),
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": Ignored,
}
BUILDERS: dict[str, Callable[[_Machine, Any], object]] = {
    "POP": lambda machine, _: machine.stack.pop() if machine.stack else machine.since_mark(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "DICT": lambda machine, _: machine.push(_pairs(machine.since_mark())),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.since_mark(),  # of a set, which is ignored
    "FROZENSET": _ignore_mark,
    "GLOBAL": _push_named,
    "STACK_GLOBAL": _push_named_of_stack,
    "REDUCE": lambda machine, _: machine.call(*machine.take(2)),
    "NEWOBJ": lambda machine, _: machine.call(*machine.take(2)),
    "NEWOBJ_EX": _ignore(3),
    "OBJ": _ignore_mark,
    "INST": _ignore_mark,
    "BUILD": lambda machine, _: machine.build(),
    "PERSID": lambda machine, argument: machine.push(machine.persistent(argument)),
    "BINPERSID": lambda machine, _: machine.push(machine.persistent(*machine.take(1))),
}
