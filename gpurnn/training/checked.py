"""Windows that a program made itself: each value is checked, and they are copied before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gpurnn.backend.base import STAGED_AHEAD
from gpurnn.backend.checks import HOST
from gpurnn.data.stream import Cursor, Window
from gpurnn.data.stream.windows import Slot, planner_for
from gpurnn.exceptions import UsageError
from gpurnn.fields import SOURCE_CARRY, Field, Sizes
from gpurnn.network import Batch
from gpurnn.settings import Natural, checked


class CheckedWindows:
    """Checks windows for one batch and copies them, so that a later change of their arrays changes nothing.

    Boundaries, the sum of weights and the plans are computed from fields, carry and weight: what a window says of them
    is not read. Nothing is allocated after the first window.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._slots: list[Slot] = []
        self._taken = 0

    def take(self, window: Window) -> Window:
        """A copy in arrays that stay as they are until `STAGED_AHEAD` more windows were taken.

        Raises UsageError that names the first thing of the window that does not fit the batch.
        """
        batch = self._batch
        for name in ("index", *batch.arrays, "carry", "weight"):
            if not hasattr(window, name):
                raise UsageError(f"window: expected a Window, found {type(window).__name__} without {name}")
        index = checked("window: index", Natural, window.index)
        given = {name: getattr(window, name) for name in (*batch.arrays, "carry", "weight")}
        sizes = _expect_shapes(window.index, given, batch)
        for field in batch.fields:
            _expect_numbers(field.bound(sizes), given[field.name], batch.carry.dtype)
        _expect_carry("carry", window.carry)
        if SOURCE_CARRY in given:
            _expect_carry(SOURCE_CARRY, given[SOURCE_CARRY])
        total = _weight_sum(window.weight, batch.weight.dtype)
        if not self._slots:
            self._allocate()
        slot = self._slots[self._taken % len(self._slots)]
        self._taken += 1
        steps = {"carry": slot.carry, "weight": slot.weight}
        copies: dict[str, Any] = slot.fields(sizes)
        copies |= {name: array[: sizes.count("step")].reshape(sizes.leading("step")) for name, array in steps.items()}
        for name, copy in copies.items():
            np.copyto(copy, given[name], casting="same_kind")
        return Window(
            index,
            epoch=0,
            **copies,
            has_boundary=not copies["carry"].all(),
            uniform=False,
            weight_sum=total,
            cursor=Cursor(index + 1, batch.lanes, batch.most_steps, 0),
            plans=slot.plans(sizes, self._planner),
        )

    def _allocate(self) -> None:
        batch = self._batch
        fields = [replace(field, planned=field.name in batch.plans) for field in batch.fields]
        self._planner = planner_for(fields, batch.sizes)
        self._slots = [Slot(fields, batch.sizes, batch.carry.dtype) for _ in range(STAGED_AHEAD + 1)]


def _expect_shapes(index: int, given: Mapping[str, np.ndarray], batch: Batch) -> Sizes:
    """The sizes of a window: of each kind of steps those of the first array that has them."""
    first = {field.per: field.name for field in reversed(batch.fields)}
    sizes = batch.sizes._replace(steps=_steps_of(index, first.get("step", "carry"), given, batch, batch.most_steps))
    if "source" in first:
        sizes = sizes._replace(source=_steps_of(index, first["source"], given, batch, sizes.source))
    expected = {field.name: (field.shape(*sizes.leading(field.per)), field.kind) for field in batch.fields}
    expected |= dict.fromkeys(("carry", "weight"), (sizes.leading("step"), "real"))
    for name, (whole, kind) in expected.items():
        array, kinds = given[name], "iu" if kind == "index" else "f"
        if not HOST.has(array) or array.shape != whole or array.dtype.kind not in kinds:
            numbers = "whole numbers" if kind == "index" else "real numbers"
            found = f"{array.shape} {array.dtype}" if HOST.has(array) else type(array).__name__
            raise UsageError(f"window {index}: {name}: expected a NumPy array {whole} of {numbers}, found {found}")
    return sizes


def _steps_of(index: int, name: str, given: Mapping[str, np.ndarray], batch: Batch, most: int) -> int:
    shape = np.shape(given[name])[:2]
    if len(shape) != 2 or shape[1] != batch.lanes or not 1 <= shape[0] <= most:
        raise UsageError(
            f"window {index}: {name}: expected 1 to {most} steps of {batch.lanes} lanes, (t, {batch.lanes}), "
            f"found {np.shape(given[name])}"
        )
    return int(shape[0])


def _expect_numbers(field: Field, array: np.ndarray, real: np.dtype[Any]) -> None:
    if field.kind == "real":
        most = np.finfo(real).max
        if field.missing:  # fmin and fmax leave NaN out
            sound = not (np.fmin.reduce(array, axis=None) < -most or np.fmax.reduce(array, axis=None) > most)
        else:
            sound = -most <= array.min() and array.max() <= most  # NaN is both
        if not sound:
            where = np.argwhere(~((np.abs(array) <= most) | (field.missing & np.isnan(array))))[0]
            or_none = " or NaN" if field.missing else ""
            expected = f"finite numbers{or_none}, and such as {real} holds"
            raise UsageError(f"{field.name}: expected {expected}, found another at {_place(field, where)}")
        return
    least, most = int(array.min()), int(array.max())
    if least < 0 or most >= field.below:
        wrong = least if least < 0 else most
        found = f"{field.name}: found {wrong} at {_place(field, np.argwhere(array == wrong)[0])}"
        if field.among:
            raise UsageError(f"{found}; expected 0 to {field.below - 1}")
        raise UsageError(f"{found}; the vocabulary of the model has {field.below} symbols, 0 to {field.below - 1}")


def _place(field: Field, where: np.ndarray) -> str:
    """Where in a window, in words."""
    if field.per == "sequence":
        return f"sequence {where[0]}"
    return f"step {where[0]} of lane {where[1]}"


def _expect_carry(name: str, carry: np.ndarray) -> None:
    whole = float(carry.sum(dtype=np.float64)) == np.count_nonzero(carry)  # NaN is not
    if not (whole and carry.min() >= 0 and carry.max() <= 1):
        raise UsageError(
            f"{name}: expected 0 where a step sees no state of before and 1 elsewhere, found another number"
        )


def _weight_sum(weight: np.ndarray, real: np.dtype[Any]) -> float:
    """The sum of the weights, which `real`, the dtype of the batch, holds; and one over it."""
    total, most = float(weight.sum(dtype=np.float64)), float(np.finfo(real).max)
    if not (weight.min() >= 0 and total <= most):
        raise UsageError(f"weight: expected finite numbers of 0 or more, and a sum that {real} holds, found others")
    if 0 < total < 1 / most:
        raise UsageError(f"weight: expected a sum of 0, or one that {real} can divide by, found {total:g}")
    return total
