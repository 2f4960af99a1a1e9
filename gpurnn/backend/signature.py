"""What an operation with declared arguments accepts, bound to its dtype and dimensions."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.backend.base import Array
from gpurnn.backend.checks import Library, expect, expect_below, expect_count, overlap, real, share_memory
from gpurnn.backend.declared import Argument, extent

ROW_GRADIENT = {
    "d_out": Argument(("N", "E")),
    "index": Argument(("N",), "index", below="K"),
    "d_table": Argument(("K", "E"), written=True),
}
"""The arguments of what `Backend.row_gradient` makes, but for the plan."""


@dataclass(frozen=True)
class Expected:
    """What a bound operation expects of one argument.

    leading: what its first axis is called. shape: of an array for one row, where by_row says that its first extent is
    that times the rows. hazards: which of the arguments after it may not share memory with it.
    """

    name: str
    dtype: np.dtype[Any]
    leading: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    by_row: bool
    written: bool
    below: int
    hazards: tuple[int, ...]


class Signature:
    """What one operation accepts, bound to a dtype and dimensions.

    dims: the dimensions; each letter that the operation names, from 1 on. rows: the largest N, 0 where it has none.
    Raises TypeError or ValueError for another dtype, for dimensions that are missing, unknown or less than 1.
    """

    def __init__(
        self, library: Library, name: str, arguments: Mapping[str, Argument], dtype: Any, dims: Mapping[str, int]
    ) -> None:
        self.name, self.library, self.dtype = name, library, real(name, dtype)
        self.dims = _dimensions(name, arguments, dims)
        self.rows = self.dims.get("N", 0)
        self.expected = [self._expected(arguments, position) for position in range(len(arguments))]
        self._hazards = [(i, j) for i, want in enumerate(self.expected) for j in want.hazards]

    def _expected(self, arguments: Mapping[str, Argument], position: int) -> Expected:
        names = list(arguments)
        name, argument = names[position], arguments[names[position]]
        kinds = {"real": self.dtype, "double": np.dtype(np.float64), "index": self.library.index}
        shape = tuple(extent(axis, {**self.dims, "N": 1}) for axis in argument.shape)
        item = kinds[argument.kind].itemsize
        strides = tuple(item * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        if item * math.prod(extent(axis, self.dims) for axis in argument.shape) > sys.maxsize:
            raise ValueError(f"{self.name}: dimensions: expected such that {name} can be addressed, found {self.dims}")
        hazards = tuple(
            j for j in range(position + 1, len(names)) if _hazard(name, argument, names[j], arguments[names[j]])
        )
        below = extent(argument.below, self.dims) if argument.below else 0
        leading = argument.shape[0]
        return Expected(
            name, kinds[argument.kind], leading, shape, strides, "N" in leading, argument.written, below, hazards
        )

    def check(self, *arguments: Array) -> int:
        """Raises TypeError or ValueError, in words, unless the operation can run on these arrays; returns N or 0."""
        if len(arguments) != len(self.expected):
            names = ", ".join(want.name for want in self.expected)
            raise TypeError(f"{self.name}: expected {len(self.expected)} arrays ({names}), found {len(arguments)}")
        library, rows = self.library, self._rows(arguments[0])
        for array, want in zip(arguments, self.expected, strict=True):
            shape = (rows * want.shape[0], *want.shape[1:]) if want.by_row else want.shape
            if (
                type(array) not in library.arrays
                or array.dtype != want.dtype
                or array.shape != shape
                or not library.in_order(array, want.strides)
                or (library.on_host and want.written and not array.flags.writeable)
            ):
                self._expect(array, want, shape)
            if want.below and library.on_host:
                expect_below(self.name, want.name, array, want.below)
        self._check_apart(arguments)
        return rows

    def _expect(self, array: Array, want: Expected, shape: tuple[int | str, ...]) -> None:
        expect(self.library, self.name, want.name, array, want.dtype, shape, written=want.written)

    def _rows(self, first: Array) -> int:
        if not self.rows:
            return 0
        if self.library.has(first) and first.ndim and 1 <= first.shape[0] <= self.rows:
            return int(first.shape[0])
        want = self.expected[0]
        self._expect(first, want, ("N", *want.shape[1:]))
        raise ValueError(f"{self.name}: {want.name}: expected 1 to {self.rows} rows, found {first.shape[0]}")

    def _check_apart(self, arguments: tuple[Array, ...]) -> None:
        owners = list(map(self.library.owner, arguments))
        for i, j in self._hazards:
            owner, other = owners[i], owners[j]
            if owner is not other and owner is not None and other is not None:
                continue
            if share_memory(self.library, arguments[i], arguments[j]):
                a, b = self.expected[i], self.expected[j]
                name, written = (a.name, b.name) if b.written else (b.name, a.name)
                raise ValueError(overlap(self.name, name, written))


def _hazard(name: str, argument: Argument, other_name: str, other: Argument) -> bool:
    """Whether two arguments may not lie in the same memory."""
    return (argument.written or other.written) and argument.shares != other_name and other.shares != name


def _dimensions(operation: str, arguments: Mapping[str, Argument], dims: Mapping[str, int]) -> dict[str, int]:
    axes = [axis for argument in arguments.values() for axis in (*argument.shape, argument.below)]
    letters = {letter for axis in axes for letter in axis if letter.isalpha()}
    if letters != dims.keys():
        names = (", ".join(sorted(some)) for some in (letters, dims))
        raise ValueError("{}: dimensions: expected {}, found {}".format(operation, *names))
    later = [axis for argument in arguments.values() for axis in argument.shape[1:]]
    if any("N" in axis for axis in later) or ("N" in letters and next(iter(arguments.values())).shape[0] != "N"):
        raise ValueError(f"{operation}: N can only be the first axis of arguments, and has to be that of the first one")
    return {letter: expect_count(operation, f"dimension {letter}", size) for letter, size in dims.items()}
