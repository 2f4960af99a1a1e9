"""Windows in which sequences that are at hand lie side by side, for a model that only looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream import Cursor, Geometry, Window
from gpurnn.fields import Field

Whole = NDArray[np.int64]


class Laid(NamedTuple):
    """Pieces of sequences, and where they lie. All (n,).

    position: of the first step among the values. length: its steps. low, high: of those from `low` on and before `high`
    the outputs are wanted. to: where those of a first step would belong. lane, begin: in which lane, from which step.
    """

    position: Whole
    length: Whole
    low: Whole
    high: Whole
    to: Whole
    lane: Whole
    begin: Whole

    def of(self, chosen: NDArray[Any]) -> Self:
        """Some of them."""
        return type(self)(*(array[chosen] for array in self))


class SideBySide:
    """The windows, in which nothing has weight; a `WindowSource`.

    into: (t, B) int64, for each step of all windows, one after the other, where its outputs belong; -1: nowhere.
    """

    def __init__(self, fields: Iterable[Field], values: NDArray[Any], laid: Laid, lanes: int, steps: int) -> None:
        """values: (n, ...), of the first of the fields; others have 0. lanes: B. steps: of a window, at most."""
        self.fields = tuple(fields)
        self._values = values
        whole = int((laid.begin + laid.length).max())
        self.geometry = Geometry(lanes * whole + 1, lanes, min(steps, whole), labels=1)
        within = np.arange(int(laid.length.sum())) - np.repeat(laid.length.cumsum() - laid.length, laid.length)
        cell = np.repeat(laid.begin * lanes + laid.lane, laid.length) + within * lanes
        wanted = (within >= np.repeat(laid.low, laid.length)) & (within < np.repeat(laid.high, laid.length))
        row, carry = np.zeros(whole * lanes, np.int64), np.zeros(whole * lanes, np.float32)
        into = np.full(whole * lanes, -1, np.int64)
        row[cell] = np.repeat(laid.position, laid.length) + within
        carry[cell] = within > 0
        into[cell[wanted]] = (np.repeat(laid.to, laid.length) + within)[wanted]
        self.into = into.reshape(whole, lanes)
        self._row, self._carry = row.reshape(whole, lanes), carry.reshape(whole, lanes)

    def recycled(self) -> Iterator[Window]:
        """See `WindowSource`; each has arrays of its own."""
        g = self.geometry
        for index, first in enumerate(range(0, len(self._row), g.steps)):
            row, carry = self._row[first : first + g.steps], self._carry[first : first + g.steps]
            values = np.take(self._values, row, axis=0)
            others = {each.name: np.zeros(each.shape(*row.shape), _TYPES[each.kind]) for each in self.fields[1:]}
            yield Window(
                index,
                0,
                carry=carry,
                weight=np.zeros_like(carry),
                has_boundary=not carry.all(),
                uniform=False,
                weight_sum=0.0,
                cursor=Cursor(index + 1, g.lanes, g.steps, g.tokens),
                fields={self.fields[0].name: values, **others},
            )


_TYPES = {"index": np.int32, "real": np.float32}
