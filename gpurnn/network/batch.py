"""One window in the backend's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpurnn.backend import Array, Backend, RowPlan
from gpurnn.fields import Field


class Batch:
    """One window's inputs in the backend's memory, and what the host knows about them.

    fields: what it has of each step, as the parts of the model declare it. arrays: each by its name, also as an
    attribute: (T B,) or (T B, F). plans: of the fields that have one, where the backend reads plans.
    carry: (T, B, 1), weight: (T B,), scale: (1,) real; window: (1,) int64.
    steps: how many steps this window has. windows: how many it was given so far.
    lanes, most_steps: B and T, what a window has to fit.

    `Feed` fills it and makes sure of all that; who writes its arrays answers for what they hold.
    """

    def __init__(
        self, be: Backend, fields: tuple[Field, ...], real: Any, lanes: int, steps: int, *, train: bool
    ) -> None:
        self.fields, self.lanes, self.most_steps = fields, lanes, steps
        n, index = lanes * steps, be.index_dtype
        self.arrays: dict[str, Array] = {
            field.name: be.zeros(field.shape(n), index if field.kind == "index" else real) for field in fields
        }
        self.carry = be.zeros((steps, lanes, 1), real)
        self.weight = be.zeros((n,), real)
        self.scale = be.zeros((1,), real)
        self.window = be.zeros((1,), np.int64)
        planned = [field.name for field in fields if field.planned and train and be.plans_rows]
        self.plans = {name: RowPlan(*(be.zeros((size,), index) for size in (n, n, n, 1))) for name in planned}
        self.steps = self.windows = 0
        self._be = be
        self._boundary: Sequence[bool] | None = None

    def __getattr__(self, name: str) -> Array:
        """A field's array by its name."""
        arrays = vars(self).get("arrays", {})
        if name not in arrays:
            raise AttributeError(f"a batch with the fields {', '.join(arrays)} has no {name}")
        return arrays[name]

    def begin(self, steps: int, boundary: Sequence[bool] | None) -> None:
        """Another window is in its arrays now, with these `steps` and this `boundary`."""
        self.steps, self.boundary = steps, boundary
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
