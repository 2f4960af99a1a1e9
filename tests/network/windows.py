"""Windows for any model, drawn from the fields that its parts declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gpurnn.data.stream import Cursor, Geometry, Window
from gpurnn.data.stream.windows import Plan
from gpurnn.fields import Field


def drawn(field: Field, rng: np.random.Generator, *shape: int) -> np.ndarray:
    """A field's array for (T, B) steps."""
    whole = field.shape(*shape)
    if field.kind == "index":
        return rng.integers(0, field.below, whole).astype(np.int32)
    reals = rng.standard_normal(whole)
    if field.missing:
        reals[rng.random(whole) < 0.2] = np.nan
    return reals


def draw(
    fields: Iterable[Field], steps: int, lanes: int, index: int = 0, *, boundary: bool = True, seed: int = 0
) -> Window:
    """A window in which, with a boundary, sequences begin at its first step and inside."""
    rng = np.random.default_rng(seed)
    carry, weight = np.ones((2, steps, lanes), np.float32)
    if boundary:
        carry[0, 1 % lanes] = carry[steps // 2, lanes - 1] = carry[-1, 0] = 0
        weight[steps // 2 - 1, lanes - 1] = 0
    arrays = {field.name: drawn(field, rng, steps, lanes) for field in fields}
    return Window(
        index,
        0,
        carry=carry,
        weight=weight,
        has_boundary=boundary,
        uniform=not boundary,
        weight_sum=float(weight.sum()),
        cursor=Cursor(index + 1, lanes, steps, steps * lanes + 1),
        fields=arrays,
        plans={field.name: planned(arrays[field.name]) for field in fields if field.planned},
    )


def planned(numbers: np.ndarray) -> Plan:
    order = np.argsort(numbers, axis=None, kind="stable").astype(np.int32)
    rows, starts = np.unique(numbers.reshape(-1)[order], return_index=True)
    return Plan(order, starts.astype(np.int32), rows.astype(np.int32))


class Source:
    """Windows without end, as a stream of a corpus with these fields would give them: a `WindowSource`.

    first: with which of them it begins. There are six that come again and again; every third has a boundary.
    """

    def __init__(self, fields: tuple[Field, ...], steps: int, lanes: int, *, first: int = 0) -> None:
        self.fields, self.geometry = fields, Geometry(steps * lanes + 1, lanes, steps)
        self._next = first

    def recycled(self) -> Iterator[Window]:
        while True:
            yield self.window(self._next)
            self._next += 1

    def window(self, index: int) -> Window:
        """Its window of that number. Goals are running means of what is read: something to learn."""
        steps, lanes = self.geometry.steps, self.geometry.lanes
        window = draw(self.fields, steps, lanes, index, boundary=index % 3 == 0, seed=index % 6)
        if {"sensors", "goals"} <= set(window.fields):
            mean = np.cumsum(window.sensors, axis=0) / np.arange(1, len(window.carry) + 1)[:, None, None]
            window.goals[...] = mean[:, :, : window.goals.shape[2]]
        return window
