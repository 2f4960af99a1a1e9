"""Windows of a stream into the inputs of a workspace, one window ahead where the device can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.data.stream import Geometry, Window
from gpurnn.exceptions import UsageError
from gpurnn.fields import SOURCE_CARRY, Field
from gpurnn.network import Batch
from gpurnn.settings import expect_kind
from gpurnn.training.checked import CheckedWindows


@runtime_checkable
class WindowSource(Protocol):
    """Where windows come from that need no check, such as a `WindowStream`.

    geometry: that of all windows. fields: what they have.
    recycled: the windows; each stays as it is until three more were taken.
    """

    geometry: Geometry
    fields: tuple[Field, ...]

    def recycled(self) -> Iterator[Window]:
        """The windows in their order."""


class _Pushed(NamedTuple):
    """What the host knows of a window that is on its way: see `Batch`."""

    window: Window
    steps: int
    boundary: Sequence[bool] | None
    source_steps: int = 0
    source_boundary: Sequence[bool] | None = None


class Feed:
    """Fills a `Batch` from the windows of a stream. be: the backend of the batch. Raises UsageError for another."""

    def __init__(self, be: Backend, batch: Batch) -> None:
        expect_kind("be", Backend, be)
        expect_kind("batch", Batch, batch)
        self._batch = batch
        self._checked = CheckedWindows(batch)
        self._flat = [(field.name, field.shape(-1)) for field in batch.fields]
        self._plans = [(name, [f"{name}.{part}" for part in _PLAN]) for name in batch.plans]
        buffers: dict[str, Array] = dict(batch.arrays)
        buffers |= {name: getattr(batch, name) for name in ("carry", "weight", "scale", "window")}
        for name, parts in self._plans:
            buffers |= {of: getattr(batch.plans[name], part) for of, part in zip(parts, _PLAN, strict=True)}
        self._staging = be.staging(buffers)

    def run(self, windows: WindowSource | Iterable[Window]) -> Iterator[Window]:
        """Each window of `windows` when the batch holds it; the next one is already on its way then.

        A `WindowStream` is checked once, and its windows are recycled: each stays as it is until three more were
        taken. Any other windows are checked and copied one by one; of these only index, carry, weight and the fields
        of the batch are read. Raises UsageError where one does not fit the batch.
        """
        if not isinstance(windows, WindowSource):
            expect_kind("windows", Iterable, windows)
            return self._ahead(windows, self._push_checked)
        self._expect_source(windows)
        return self._ahead(windows.recycled(), self._push)

    def load(self, window: Window) -> None:
        """Fill the batch with one window. Raises UsageError where it does not fit."""
        self._pop(self._push_checked(window))

    def _ahead(self, windows: Iterable[Window], push: Callable[[Window], _Pushed]) -> Iterator[Window]:
        ahead: _Pushed | None = None
        for window in windows:
            pushed = push(window)
            if ahead is not None:
                yield self._pop(ahead)
            ahead = pushed
        if ahead is not None:
            yield self._pop(ahead)

    def _expect_source(self, source: WindowSource) -> None:
        batch, geometry = self._batch, source.geometry
        if geometry.lanes != batch.lanes or geometry.steps > batch.most_steps:
            raise UsageError(
                f"windows of {geometry.steps} steps of {geometry.lanes} lanes do not fit a workspace for up to "
                f"{batch.most_steps} steps of {batch.lanes} lanes"
            )
        size, room = geometry.sizes, batch.sizes
        if (room.source and not size.source <= room.source) or room.sequences not in (0, size.sequences):
            raise UsageError(
                f"windows of {size.source} steps of a source and {size.sequences} sequences do not fit a workspace for "
                f"up to {room.source} steps of a source and for {room.sequences} sequences"
            )
        if size.longest > room.longest:
            raise UsageError(
                f"windows with strings of {size.longest} labels do not fit a workspace for up to {room.longest} labels"
            )
        has = {field.name: field for field in source.fields}
        for field in batch.fields:
            found = has.get(field.name)
            if found is None or not found.fits(field):
                raise UsageError(_unfit(field, found))
        for name in batch.plans:
            if not has[name].planned:
                raise UsageError("training on this backend reads the plan of a window; make the stream with plan=True")

    def _push(self, window: Window) -> _Pushed:
        carry = window.carry
        host = {name: window.fields[name].reshape(shape) for name, shape in self._flat}
        host["carry"] = carry[:, :, None]
        host["weight"] = window.weight.reshape(-1)
        host["scale"] = np.array([1 / window.weight_sum if window.weight_sum else 0.0])
        host["window"] = np.array([window.index])
        for name, parts in self._plans:
            plan = window.plans[name]
            host |= zip(parts, (*plan, np.array([len(plan.starts)], np.int32)), strict=True)
        self._staging.push(host)
        pushed = _Pushed(window, len(carry), _boundary(carry) if window.has_boundary else None)
        if SOURCE_CARRY not in self._batch.arrays:
            return pushed
        source_carry = window.fields[SOURCE_CARRY]
        return pushed._replace(source_steps=len(source_carry), source_boundary=_boundary(source_carry))

    def _push_checked(self, window: Window) -> _Pushed:
        copied = self._checked.take(window)
        return self._push(copied)._replace(window=window)

    def _pop(self, pushed: _Pushed) -> Window:
        self._staging.pop()
        self._batch.begin(*pushed[1:])
        return pushed.window


def _boundary(carry: np.ndarray) -> list[bool]:
    """Which steps have a lane whose carry is 0."""
    found: list[bool] = (carry.min(axis=1) == 0).tolist()
    return found


_PLAN = ("order", "starts", "rows", "runs")
"""The arrays of a `RowPlan`."""


def _unfit(field: Field, found: Field | None) -> str:
    """Why windows with this field, None: without it, do not fit a model that reads `field`."""
    vocabulary = field.kind == "index" and not field.among
    if vocabulary and found is not None and (found.kind, found.width) == ("index", field.width):
        return (
            f"the corpus has a vocabulary of {found.below} symbols, the model one of {field.below}; "
            "make the model with symbols=len(corpus.vocabulary)"
        )
    return f"the model reads the field {field.name}, {field}; the windows have {found or 'no such field'}"
