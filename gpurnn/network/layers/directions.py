"""Rows of a window in reversed order of steps, and beside those in the order of time: row t becomes row T-1-t."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp


def reverse_rows(xp: Any, x: Array, y: Array) -> None:
    """y: overwritten with x in reversed order."""
    y[...] = x[::-1]


def add_reversed(xp: Any, y: Array, x: Array) -> None:
    """y: x in reversed order is added to it."""
    xp.add(y, x[::-1], out=y)


def join_directions(xp: Any, ahead: Array, reverse: Array, y: Array) -> None:
    """y: overwritten with [ahead, reverse in reversed order]."""
    hidden = ahead.shape[2]
    y[:, :, :hidden] = ahead
    y[:, :, hidden:] = reverse[::-1]


def part_directions(xp: Any, y: Array, ahead: Array, reverse: Array) -> None:
    """ahead, reverse: overwritten with what `join_directions` made y of."""
    hidden = ahead.shape[2]
    ahead[...] = y[:, :, :hidden]
    reverse[...] = y[::-1, :, hidden:]


_READ, _WRITTEN = (Argument(("N", "B", "H"), written=written) for written in (False, True))
_BOTH, _BOTH_WRITTEN = (Argument(("N", "B", "2H"), written=written) for written in (False, True))
_SOURCE = Path(__file__).with_name("directions.cu")
REVERSE_ROWS = FusedOp("reverse_rows", {"x": _READ, "y": _WRITTEN}, reverse_rows, source=_SOURCE, in_turn=True)
ADD_REVERSED = FusedOp("add_reversed", {"y": _WRITTEN, "x": _READ}, add_reversed, source=_SOURCE, in_turn=True)
JOIN_DIRECTIONS = FusedOp(
    "join_directions",
    {"ahead": _READ, "reverse": _READ, "y": _BOTH_WRITTEN},
    join_directions,
    source=_SOURCE,
    in_turn=True,
)
PART_DIRECTIONS = FusedOp(
    "part_directions",
    {"y": _BOTH, "ahead": _WRITTEN, "reverse": _WRITTEN},
    part_directions,
    source=_SOURCE,
    in_turn=True,
)
