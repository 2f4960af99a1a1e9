"""Windows of a stream into the inputs of a workspace, one window ahead where the device can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.stream import Geometry, Window
from gpurnn.exceptions import UsageError
from gpurnn.network import Batch
from gpurnn.settings import expect_kind
from gpurnn.training.strangers import Strangers


@runtime_checkable
class WindowSource(Protocol):
    """Where windows come from that are right without a look at them, such as a `WindowStream`.

    geometry: that of all windows. symbols: what every token is below. planned: whether they have a plan.
    recycled: the windows; each stays as it is until three more were taken.
    """

    geometry: Geometry
    symbols: int
    planned: bool

    def recycled(self) -> Iterator[Window]:
        """The windows in their order."""


class _Pushed(NamedTuple):
    """What the host knows of a window that is on its way: see `Batch`."""

    window: Window
    steps: int
    boundary: Sequence[bool] | None


class Feed:
    """Fills a `Batch` from the windows of a stream. be: the backend of the batch. Raises UsageError for another."""

    def __init__(self, be: Backend, batch: Batch) -> None:
        expect_kind("be", Backend, be)
        expect_kind("batch", Batch, batch)
        self._batch = batch
        self._strangers = Strangers(batch)
        plan = batch.plan
        self._staging = be.staging(
            {
                "tokens": batch.tokens,
                "targets": batch.targets,
                "carry": batch.carry,
                "weight": batch.weight,
                "scale": batch.scale,
                "window": batch.window,
                "order": plan.order,
                "starts": plan.starts,
                "rows": plan.rows,
                "runs": plan.runs,
            }
        )

    def run(self, windows: WindowSource | Iterable[Window]) -> Iterator[Window]:
        """Each window of `windows` when the batch holds it; the next one is already on its way then.

        A `WindowStream` is looked at once, and its windows are recycled: each stays as it is until three more were
        taken. Any other windows are looked at and copied one by one; of these only index, tokens, targets, carry and
        weight are read. Raises UsageError where one does not fit the batch.
        """
        if not isinstance(windows, WindowSource):
            expect_kind("windows", Iterable, windows)
            return self._ahead(windows, self._push_stranger)
        self._expect_source(windows)
        return self._ahead(windows.recycled(), self._push)

    def load(self, window: Window) -> None:
        """Fill the batch with one window. Raises UsageError where it does not fit."""
        self._pop(self._push_stranger(window))

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
        if source.symbols > batch.symbols:
            raise UsageError(
                f"the corpus has a vocabulary of {source.symbols} symbols, the model one of {batch.symbols}; "
                "make the model with symbols=len(corpus.vocabulary)"
            )
        if batch.planned and not source.planned:
            raise UsageError("training on this backend reads the plan of a window; make the stream with plan=True")

    def _push(self, window: Window) -> _Pushed:
        host = {
            "tokens": window.tokens.reshape(-1),
            "targets": window.targets.reshape(-1),
            "carry": window.carry[:, :, None],
            "weight": window.weight.reshape(-1),
            "scale": np.array([1 / window.weight_sum if window.weight_sum else 0.0]),
            "window": np.array([window.index]),
        }
        if window.order is not None and window.segment_starts is not None and window.segment_symbols is not None:
            host |= {"order": window.order, "starts": window.segment_starts, "rows": window.segment_symbols}
            host["runs"] = np.array([len(window.segment_starts)], np.int32)
        self._staging.push(host)
        boundary = (window.carry.min(axis=1) == 0).tolist() if window.has_boundary else None
        return _Pushed(window, len(window.tokens), boundary)

    def _push_stranger(self, window: Window) -> _Pushed:
        copied = self._strangers.take(window)
        return self._push(copied)._replace(window=window)

    def _pop(self, pushed: _Pushed) -> Window:
        self._staging.pop()
        self._batch.begin(pushed.steps, pushed.boundary)
        return pushed.window
