"""One window in the backend's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpurnn.backend import Array, Backend, RowPlan
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field, Sizes


class Batch:
    """One window's inputs in the backend's memory, and what the host knows about them.

    fields: what it has, as the parts of the model declare it. arrays: each by its name, also as an attribute: (T B,) or
    (T B, F), (S B, ...) of steps of the source, (N, ...) of sequences. plans: of the fields that have one, where the
    backend reads plans.
    carry: (T, B, 1), weight: (T B,), scale: (1,) real; window: (1,) int64.
    steps, source_steps: how many this window has. windows: how many it was given so far.
    sizes: what a window has to fit; lanes, most_steps: B and T of these.

    `Feed` fills it and makes sure of all that; who writes its arrays answers for what they hold.
    """

    def __init__(
        self,
        be: Backend,
        fields: tuple[Field, ...],
        real: Any,
        lanes: int,
        steps: int,
        *,
        source: int = 0,
        sequences: int = 0,
        labels: int = 0,
        train: bool,
    ) -> None:
        """Raises UsageError where there is room for no source or sequence, and a field has some."""
        per = {field.per for field in fields}
        sizes = Sizes(lanes, steps, source * ("source" in per), sequences * ("sequence" in per), labels)
        for field in fields:
            if not sizes.count(field.per):
                size = {"source": "source", "sequence": "sequences"}.get(field.per, "steps")
                raise UsageError(f"{size}: expected at least 1, the model reads the field {field.name}, {field}")
        self.sizes, self.fields = sizes, tuple(field.bound(sizes) for field in fields)
        self.lanes, self.most_steps = lanes, steps
        n, index = lanes * steps, be.index_dtype
        self.arrays: dict[str, Array] = {
            field.name: be.zeros(field.shape(sizes.count(field.per)), index if field.kind == "index" else real)
            for field in fields
        }
        self.carry = be.zeros((steps, lanes, 1), real)
        self.weight = be.zeros((n,), real)
        self.scale = be.zeros((1,), real)
        self.window = be.zeros((1,), np.int64)
        planned = [field for field in fields if field.planned and train and be.plans_rows]
        self.plans = {field.name: _plan(be, sizes.count(field.per)) for field in planned}
        self.steps = self.source_steps = self.windows = 0
        self._be = be
        self._boundary: Sequence[bool] | None = None
        self._source_boundary: Sequence[bool] | None = None

    def __getattr__(self, name: str) -> Array:
        """A field's array by its name."""
        arrays = vars(self).get("arrays", {})
        if name not in arrays:
            raise AttributeError(f"a batch with the fields {', '.join(arrays)} has no {name}")
        return arrays[name]

    def begin(
        self,
        steps: int,
        boundary: Sequence[bool] | None,
        source_steps: int = 0,
        source_boundary: Sequence[bool] | None = None,
    ) -> None:
        """Another window is in its arrays now, with these `steps` and this `boundary`, and those of its source.

        source_steps: 0: the source is that of the window before.
        """
        self.steps, self.boundary = steps, boundary
        if source_steps:
            self.source_steps, self.source_boundary = source_steps, source_boundary
        self.windows += 1

    @property
    def boundary(self) -> Sequence[bool] | None:
        """Which steps are masked by carry: those that have a lane whose carry is 0, and what the backend masks besides.

        Set it to those that have such a lane; None: none has.
        """
        return self._boundary

    @boundary.setter
    def boundary(self, steps: Sequence[bool] | None) -> None:
        self._boundary = None if steps is None else self._be.masked_steps(steps)

    @property
    def source_boundary(self) -> Sequence[bool] | None:
        """The same of the steps of the source, by `source_carry`."""
        return self._source_boundary

    @source_boundary.setter
    def source_boundary(self, steps: Sequence[bool] | None) -> None:
        self._source_boundary = None if steps is None else self._be.masked_steps(steps)


def _plan(be: Backend, n: int) -> RowPlan:
    return RowPlan(*(be.zeros((size,), be.index_dtype) for size in (n, n, n, 1)))
