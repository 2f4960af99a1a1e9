"""Windows of a stream into the inputs of a workspace, one window ahead where the device can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.stream import Window
from gpurnn.network import Batch


class Feed:
    """Fills a `Batch` from the windows of a stream. be: the backend of the batch."""

    def __init__(self, be: Backend, batch: Batch) -> None:
        self._batch = batch
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

    def run(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Each window of `windows` when the batch holds it; the next one is already on its way then."""
        ahead: Window | None = None
        for window in windows:
            self._push(window)
            if ahead is not None:
                yield self._pop(ahead)
            ahead = window
        if ahead is not None:
            yield self._pop(ahead)

    def load(self, window: Window) -> None:
        """Fill the batch with one window."""
        self._push(window)
        self._pop(window)

    def _push(self, window: Window) -> None:
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
            host["runs"] = np.array([len(window.segment_starts)])
        self._staging.push(host)

    def _pop(self, window: Window) -> Window:
        self._staging.pop()
        self._batch.steps = len(window.tokens)
        boundary = (window.carry.min(axis=1) == 0).tolist() if window.has_boundary else None
        self._batch.boundary = boundary
        return window
