"""How operations are declared: what their arrays are, and their bodies."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_EXTENT = re.compile(r"([0-9]*)([A-Za-z]*)")
_KINDS = ("real", "double", "index", "range", "flag")


@dataclass(frozen=True)
class Argument:
    """One array argument of a fused operation.

    shape: one expression per axis, an optional factor and dimension letters, for example ("B", "4H").
    kind: "real" (the dtype the operation is bound for), "double" (float64), "index" (the backend's index type), or, for
    scratch, "range" (an index that holds 0, 1, 2, ...) or "flag" (true or false).
    below: for an index, the dimension its values stay under.
    written: whether the operation changes it.
    shares: another argument that may lie in the same memory, though one of the two is written.
    Raises TypeError or ValueError for a declaration that is none.
    """

    shape: tuple[str, ...]
    kind: str = "real"
    below: str = ""
    written: bool = False
    shares: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple) or not self.shape:
            raise TypeError(f"argument: shape: expected a tuple of 1 expression or more, found {self.shape!r}")
        for axis in (*self.shape, self.below or "1"):
            _parts(axis)
        if self.kind not in _KINDS:
            raise ValueError(f"argument: kind: expected one of {', '.join(_KINDS)}, found {self.kind!r}")
        if self.below and self.kind != "index":
            raise ValueError(f"argument: below: expected for an index only, found {self.below!r} for {self.kind}")


@dataclass(frozen=True)
class FusedOp:
    """What is computed on whole arrays in one call: one name, one signature and up to three bodies.

    Most operations are pointwise; others reduce as well, such as a softmax along its rows, or a norm over all elements.
    A body in C is found by the operation's name and arguments; scripts/operations writes the declarations of all.

    name: unique; also the name of the kernel in `source`, which takes the arguments' addresses in order and, where N is
    a dimension, last an int N. How many threads it is launched with stands in front of it, see cuda/kernels.py.
    arguments: arrays by name, in order; only those that are `written` change.
    body: NumPy-style code `body(xp, *arguments, *scratch)`, writing through `out=`.
    scratch: extra buffers that only the NumPy-style body needs, allocated once by `Backend.bind`.
    source: CUDA C file, compiled with REAL (float or double), each dimension but N and the constants defined; None: the
    NumPy-style body runs on CuPy.
    constants: whole numbers that bodies in C and CUDA C know by name, such as places in an array.
    in_turn: whether rows N follow from one another; then threads of the CPU share B, the second axis of each argument.
    apart: a dimension, of which each is dealt with apart from the others in all that is written; threads share it then.
    Raises ValueError for arguments of which nothing can be made.
    """

    name: str
    arguments: Mapping[str, Argument]
    body: Callable[..., None]
    scratch: Mapping[str, Argument] = field(default_factory=dict)
    source: Path | None = None
    constants: Mapping[str, int] = field(default_factory=dict)
    in_turn: bool = False
    apart: str = ""

    def __post_init__(self) -> None:
        if not self.arguments:
            raise ValueError(f"{self.name}: arguments: expected 1 or more")
        for name, argument in self.arguments.items():
            if argument.kind in ("range", "flag"):
                raise ValueError(f"{self.name}: {name}: kind {argument.kind} is for scratch")
            if argument.shares and argument.shares not in self.arguments:
                raise ValueError(f"{self.name}: {name}: shares: expected an argument, found {argument.shares!r}")


@dataclass(frozen=True)
class PersistentOp:
    """A persistent kernel: all steps in one launch; a block of CUDA threads a lane, which keeps weights on the chip.

    It has no NumPy-style body: the loop over steps computes the same.

    name, arguments, source: as of a `FusedOp`. The axis B counts lanes, N steps, of which a call may have fewer.
    threads: of a block, a shape expression. weights: how many reals each thread keeps, likewise. vectors: how many
    vectors of that length, rounded up to a multiple of 4, the block shares, besides one real a thread.
    """

    name: str
    arguments: Mapping[str, Argument]
    source: Path
    threads: str
    weights: str
    vectors: int


def extent(expression: str, dims: Mapping[str, int]) -> int:
    """The value of a shape expression: `extent("4H", {"H": 8})` is 32, `extent("BH", ...)` is B times H.

    Raises ValueError for what is none, and for a dimension that is not among `dims`.
    """
    factor, letters = _parts(expression)
    try:
        return factor * math.prod(dims[letter] for letter in letters)
    except KeyError as error:
        raise ValueError(f"extent {expression!r}: no dimension {error} among {', '.join(dims) or 'none'}") from None


def body_takes(op: FusedOp) -> str:
    """The arguments of an operation as native/loop.h describes those of a compiled body."""
    return " ".join(
        f"{'*' * argument.written}({','.join(argument.shape)}){argument.kind.replace('real', '')}"
        f"{'<' * bool(argument.below)}{argument.below}"
        for argument in op.arguments.values()
    )


def _parts(expression: str) -> tuple[int, str]:
    """The factor and the letters of a shape expression."""
    found = _EXTENT.fullmatch(expression)
    if not (found and expression):
        raise ValueError(f"extent {expression!r}: expected a factor and letters of dimensions, such as 4H, B or 1")
    return int(found[1] or 1), found[2]
