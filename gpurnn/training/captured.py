"""The work of a training window as one launch, where the backend can capture it and the bits stay the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpurnn.backend import Backend
from gpurnn.exceptions import BackendError
from gpurnn.network import Model, State, Workspace
from gpurnn.training.optim import LEARNT, OK, Optimizer


class CapturedWork:
    """Does `work` on a workspace's batch; full windows as one launch once that is known to change no bit.

    There are two such launches: for windows without a boundary, and for windows in which any step may have one. Each
    is captured when such a window comes a second time, and held against the eager work on that window, from the same
    parameters, moments, control array and carried state. Short windows are always eager.
    on_warning: gets one line where captured work differs or cannot be had; all windows are eager from then on.
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
        self._launches: dict[bool, Callable[[], None]] = {}  # by whether there is a boundary
        self._warm: set[bool] = set()
        self._off = False

    @property
    def eager(self) -> bool:
        """Whether every window is eager from now on."""
        return self._off

    def __call__(self) -> None:
        batch = self._ws.batch
        bounded = batch.boundary is not None
        if self._off or batch.steps < self._ws.steps:
            self._work()
        elif bounded in self._launches:
            self._launches[bounded]()
        elif bounded in self._warm:
            self._first(bounded)
        else:
            self._work()  # compiles its kernels, which a capture could not
            self._warm.add(bounded)

    def _first(self, bounded: bool) -> None:
        """Capture the window in the batch, and do it both ways."""
        try:
            launch = self._capture()
        except BackendError as error:
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
        if eager["control"][OK] != LEARNT:
            return  # a window that nothing is learnt from leaves nothing to compare: the next one will do
        self._put_back(before)
        launch()
        captured = self._copies()
        different = [name for name, array in captured.items() if array.tobytes() != eager[name].tobytes()]
        if different:
            self._put_back(eager)
            self._drop(f"the first captured window differs from the eager one in {', '.join(different)}")
        else:
            self._launches[bounded] = launch

    def _capture(self) -> Callable[[], None]:
        """The work for every window with as many steps as this one; with a boundary at every step if it has any."""
        batch = self._ws.batch
        boundary = batch.boundary
        try:
            if boundary is not None:
                batch.boundary = [True] * batch.steps
            return self._be.capture(self._work)
        finally:
            batch.boundary = boundary

    def _copies(self) -> dict[str, np.ndarray]:
        return {name: self._be.to_host(array) for name, array in self._kept.items()}

    def _put_back(self, copies: dict[str, np.ndarray]) -> None:
        for name, copy in copies.items():
            self._be.from_host(copy, out=self._kept[name])

    def _drop(self, why: str) -> None:
        self._off = True
        self._launches.clear()
        self._on_warning(f"{why}; training goes on without CUDA graphs, which --no-graph asks for without this line")
