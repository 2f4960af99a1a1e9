"""The work of a training window as one launch, where the backend can capture it and the bits stay the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpurnn.backend import Backend
from gpurnn.exceptions import BackendError
from gpurnn.network import Model, State, Workspace
from gpurnn.training.control import Control, Outcome
from gpurnn.training.optimizer import Optimizer

_TRIES = 3  # at a capture
_MOST_KINDS = 4  # of windows that are captured
_Masked = tuple[tuple[bool, ...] | None, ...]
"""Which steps of a window, and of its source, are masked; None: none."""


class CapturedWork:
    """Does `work` on a workspace's batch; full windows as one launch once that is known to change no bit.

    There is a launch for each choice of masked steps, of which a backend that captures has few. It is captured when
    such a window comes a second time, and compared with the eager work on that window, from the same parameters,
    moments, control array and carried state. Short windows are always eager.
    on_warning: gets one line where captured work differs, or where capturing failed several times (something else may
    have used the device); all windows are eager from then on.
    """

    def __init__(
        self,
        work: Callable[[], None],
        model: Model,
        ws: Workspace,
        state: State,
        optimizer: Optimizer,
        on_warning: Callable[[str], None],
    ) -> None:
        self._be: Backend = model.be
        self._work, self._ws, self._on_warning = work, ws, on_warning
        self._kept = {"parameters": model.params.values, **optimizer.flats, **state.named(), "control": optimizer.ctl}
        self._launches: dict[_Masked, Callable[[], None]] = {}
        self._warm: set[_Masked] = set()
        self._tries = _TRIES
        self._off = False

    @property
    def eager(self) -> bool:
        """Whether every window is eager from now on."""
        return self._off

    def __call__(self) -> None:
        batch = self._ws.batch
        both = batch.boundary, batch.source_boundary
        masked = tuple(None if each is None else tuple(each) for each in both)
        if self._off or (batch.steps, batch.source_steps) != batch.sizes[1:3]:
            self._work()
        elif masked in self._launches:
            self._launches[masked]()
        elif masked in self._warm:
            self._first(masked)
        else:
            self._work()  # compiles its kernels, which a capture could not
            if len(self._warm) < _MOST_KINDS:
                self._warm.add(masked)

    def _first(self, masked: _Masked) -> None:
        """Capture the window in the batch, and do it both ways."""
        try:
            launch = self._be.capture(self._work)
        except BackendError as error:
            self._tries -= 1
            if not self._tries:
                self._drop(str(error))
            self._work()
            return
        if launch is self._work:  # nothing is captured on this backend
            self._off = True
            self._work()
            return
        before = self._copies()
        self._work()
        eager = self._copies()
        if eager["control"][Control.OUTCOME] != Outcome.LEARNT:
            return  # a window that nothing is learnt from leaves nothing to compare: the next one will do
        self._put_back(before)
        launch()
        captured = self._copies()
        different = [name for name, array in captured.items() if array.tobytes() != eager[name].tobytes()]
        if different:
            self._put_back(eager)
            self._drop(f"the first captured window differs from the eager one in {', '.join(different)}")
        else:
            self._launches[masked] = launch

    def _copies(self) -> dict[str, np.ndarray]:
        return {name: self._be.to_host(array) for name, array in self._kept.items()}

    def _put_back(self, copies: dict[str, np.ndarray]) -> None:
        for name, copy in copies.items():
            self._be.from_host(copy, out=self._kept[name])

    def _drop(self, why: str) -> None:
        self._off = True
        self._launches.clear()
        self._on_warning(f"{why}; training goes on without CUDA graphs, which `no_graph` asks for without this line")
