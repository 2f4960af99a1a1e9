"""Windows of whole sequences: one in each lane, from its first step on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.arrays.arrays import Numbers, Scaling
from gpurnn.data.stream.windows import KEEP, Cursor, Geometry, Slot, Window
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field


class Place(NamedTuple):
    """Which sequences the first lanes of a window have, and of which steps."""

    sequences: NDArray[np.int64]
    begin: int
    end: int


class SequenceStream:
    """The windows over some sequences, so many at a time; of longer ones than a window one window after the other.

    weight is 1 where a step has a target that is known. Lanes that are left over at the end have zeros and weight 0.
    """

    def __init__(
        self,
        x: Numbers,
        x_scaling: Scaling,
        order: NDArray[np.int64],
        *,
        lanes: int,
        steps: int,
        outputs: int,
        y: Numbers | None = None,
        y_scaling: Scaling | None = None,
        real: Any = np.float32,
    ) -> None:
        """x: (N, T, E). y: (N, T, K), or (N, 1, K) of the last step; None: no targets are known. order: of N, which.

        outputs: K. real: the dtype of the windows.
        """
        self._x, self._y, self._order = x, y, order
        self._x_scaling, self._y_scaling, self._real = x_scaling, y_scaling, np.dtype(real)
        self.fields: tuple[Field, ...] = Field("reals", "real", x.shape[2]), Field("targets", "real", outputs)
        self.geometry = Geometry(lanes * steps + 1, lanes, steps)

    def places(self) -> Iterator[Place]:
        """Of each window."""
        lanes, steps, whole = self.geometry.lanes, self.geometry.steps, self._x.shape[1]
        for first in range(0, len(self._order), lanes):
            for begin in range(0, whole, steps):
                yield Place(self._order[first : first + lanes], begin, min(begin + steps, whole))

    def recycled(self) -> Iterator[Window]:
        """The windows, whose arrays stay as they are until three more were taken."""
        slots = [Slot(self.fields, self.geometry.sizes, self._real) for _ in range(KEEP + 1)]
        for index, place in enumerate(self.places()):
            yield self._window(index, place, slots[index % len(slots)])

    def _window(self, index: int, place: Place, slot: Slot) -> Window:
        g, steps = self.geometry, place.end - place.begin
        arrays = {name: array[: steps * g.lanes].reshape(steps, g.lanes, -1) for name, array in slot.arrays.items()}
        carry, weight = (array[: steps * g.lanes].reshape(steps, g.lanes) for array in (slot.carry, slot.weight))
        taken = len(place.sequences)
        rows = self._x_scaling.scaled(self._x[place.sequences, place.begin : place.end])
        np.copyto(rows, 0, where=np.isnan(rows))
        _put("x", rows, arrays["reals"][:, :taken], place)
        arrays["reals"][:, taken:] = 0
        self._targets(place, arrays["targets"])
        carry.fill(1)
        carry[0] = place.begin > 0
        np.copyto(weight, ~np.isnan(arrays["targets"]).all(axis=2))
        total = float(weight.sum())
        return Window(
            index,
            0,
            carry=carry,
            weight=weight,
            has_boundary=place.begin == 0,
            uniform=total == weight.size,
            weight_sum=total,
            cursor=Cursor(index + 1, g.lanes, g.steps, g.tokens),
            fields=arrays,
        )

    def _targets(self, place: Place, out: NDArray[Any]) -> None:
        """out: (T, B, K), overwritten with the targets, NaN where there is none."""
        out.fill(np.nan)
        if self._y is None or self._y_scaling is None:
            return
        taken, whole = len(place.sequences), self._x.shape[1]
        if self._y.shape[1] == whole:
            rows = self._y[place.sequences, place.begin : place.end]
            _put("y", self._y_scaling.scaled(rows), out[:, :taken], place)
        elif place.end == whole:
            _put("y", self._y_scaling.scaled(self._y[place.sequences]), out[-1:, :taken], place)


def _put(name: str, rows: NDArray[np.float64], out: NDArray[Any], place: Place) -> None:
    """rows (B, T, C) into out (T, B, C). Raises UsageError for a number that the window's dtype cannot hold."""
    with np.errstate(over="ignore"):
        np.copyto(out, rows.swapaxes(0, 1), casting="same_kind")
    infinite = np.isinf(out)
    if infinite.any():
        sequence = place.sequences[np.argwhere(infinite)[0][1]]
        raise UsageError(f"{name}: sequence {sequence} has a number that is too far from the mean of the others")
