"""One training window: forward, backward, update, and what is carried to the next window."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, State, Workspace
from gpurnn.network.expect import expect_state, expect_workspace
from gpurnn.settings import NotNegative, checked, expect_kind
from gpurnn.training.captured import CapturedWork
from gpurnn.training.control import CONTROL_SIZE, PLACES, Control, Outcome
from gpurnn.training.optimizer import Optimizer
from gpurnn.training.sampling import OwnSymbols

_logger = logging.getLogger(__name__)
_SOURCE = Path(__file__).with_name("step.cu")
_BH = Argument(("B", "H"))
_TO_BH = Argument(("B", "H"), written=True)
_CONTROL = Argument((f"{CONTROL_SIZE}",), "double")


def lane_check(xp: Any, ctl: Array, bad: Array, last: Array) -> None:
    """bad: (B,), set to 1 for lanes with a row of last (B, H) that is not finite; changed in skipped windows only."""
    if ctl[Control.OUTCOME] == Outcome.NOT_FINITE:
        xp.maximum(bad, ~xp.isfinite(last).all(axis=1), out=bad)


def carry_out(xp: Any, ctl: Array, bad: Array, last: Array, carried: Array) -> None:
    """carried: (B, H), overwritten with last (B, H), the state that the window left.

    In a skipped window carried stays as it was, except for bad lanes, which become zeros. Numbers that are not finite
    become zero in every window: even where loss and gradient are finite, the last state need not be.
    """
    if ctl[Control.OUTCOME] != Outcome.NOT_FINITE:
        carried[...] = last
    else:
        carried[bad > 0] = 0
    if not math.isfinite(carried.sum()):
        carried[~xp.isfinite(carried)] = 0


LANE_CHECK = FusedOp(
    "lane_check",
    {"ctl": _CONTROL, "bad": Argument(("B",), written=True), "last": _BH},
    lane_check,
    source=_SOURCE,
    constants=PLACES,
)
CARRY_OUT = FusedOp(
    "carry_out",
    {"ctl": _CONTROL, "bad": Argument(("B",)), "last": _BH, "carried": _TO_BH},
    carry_out,
    source=_SOURCE,
    constants=PLACES,
)


class _Work:
    """What is the same for every window of as many steps.

    whole: becomes false where the update begins; see `TrainingStep.whole`.
    """

    def __init__(self, model: Model, ws: Workspace, state: State, optimizer: Optimizer, own: OwnSymbols | None) -> None:
        be = model.be
        self._own = own
        self._model, self._ws, self._state, self._optimizer = model, ws, state, optimizer
        lanes, real = ws.lanes, model.config.real
        self._bad = be.zeros((lanes,), real)
        widths = {array.shape[1] for array in state.named().values()}
        self._lane_check = {width: be.bind(LANE_CHECK, real, B=lanes, H=width) for width in widths}
        self._carry_out = {width: be.bind(CARRY_OUT, real, B=lanes, H=width) for width in widths}
        self.whole = True

    def __call__(self) -> None:
        ws = self._ws
        self._model.forward(ws, self._state)
        if self._own is not None:
            self._own.put_in()
            self._model.decode(ws, self._state)
        self._model.backward(ws)
        if self._own is not None:
            self._own.take_out()
        self.whole = False
        self._optimizer.step(ws.loss, ws.batch.scale)
        self._bad.fill(0)
        pairs = [
            (layer.states[name][ws.batch.steps], carried)
            for layer, states in zip(ws.layers, self._state.layers, strict=True)
            for name, carried in states.items()
        ]
        for last, _ in pairs:
            self._lane_check[last.shape[1]](self._optimizer.ctl, self._bad, last)
        for last, carried in pairs:
            self._carry_out[last.shape[1]](self._optimizer.ctl, self._bad, last, carried)


class TrainingStep:
    """Runs the window in a workspace's batch: parameters, moments, control array and carried state move on by one.

    A window whose loss or gradient is not finite is skipped: nothing it computed is kept, its lanes go on from the
    state they came with, and those that it left non-finite start from zero. What is carried is always finite. Of a
    window whose weights sum to 0 nothing is learnt, and its state is carried.
    Raises UsageError where model, workspace, state and optimizer do not belong together.
    Where the backend can capture work, a window is one launch; on_warning gets a line where that fails.
    own: what lets steps read their own symbols; None: none does.
    """

    def __init__(
        self,
        model: Model,
        ws: Workspace,
        state: State,
        optimizer: Optimizer,
        on_warning: Callable[[str], None] = _logger.warning,
        own: OwnSymbols | None = None,
    ) -> None:
        for name, kind, value in (("model", Model, model), ("optimizer", Optimizer, optimizer)):
            expect_kind(name, kind, value)
        expect_workspace(ws, model.params, train=True)
        expect_state(state, ws.kind)
        if optimizer.params is not model.params:
            raise UsageError("optimizer: made for the parameters of another model")
        self._ctl, self._ws = optimizer.ctl, ws
        self._work = _Work(model, ws, state, optimizer, own)
        self._run = CapturedWork(self._work, model, ws, state, optimizer, on_warning)

    @property
    def whole(self) -> bool:
        """Whether no window is half done: false from the beginning of an update to its end, and where that failed."""
        return self._work.whole

    @whole.setter
    def whole(self, whole: bool) -> None:
        self._work.whole = whole

    def __call__(self, rate: float) -> None:
        """One window at this learning rate; reads nothing back from the device.

        Raises UsageError for a rate that is not finite or less than 0.
        """
        if type(rate) is not float or not 0 <= rate < math.inf:
            rate = checked("rate", NotNegative, rate)
        self._ctl[Control.RATE : Control.RATE + 1].fill(rate)
        self.whole = self._run.eager  # what fails before the update leaves everything as it was
        self._run()
        self._ws.hold("errors")  # since a captured window does not run the Python code that does
        self.whole = True
