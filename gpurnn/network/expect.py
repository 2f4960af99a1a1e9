"""What belongs together: a model, its workspace, a state, a window, and what was done before.

Each function raises UsageError that names what does not. They look at names and sizes only, once a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpurnn.backend import Array
from gpurnn.exceptions import UsageError
from gpurnn.network.params import Params
from gpurnn.network.state import State, StateKind
from gpurnn.network.workspace import Workspace
from gpurnn.settings import expect_kind


def expect_parameters(params: Params) -> None:
    """They were drawn or loaded."""
    if not params.ready:
        raise UsageError("the model has no parameters yet; call model.params.initialise(be, seed), or load them")


def expect_workspace(ws: Workspace, params: Params, *, train: bool = False, holds: str = "", ran: bool = False) -> None:
    """It is of the model with these parameters. train: made for training; holds: see `Workspace`.

    ran: `forward` ran on the window that is in its batch; so it did where the workspace has to hold something.
    """
    expect_kind("workspace", Workspace, ws)
    expect_parameters(params)
    if ws.params is not params:
        raise UsageError("workspace: made by another model; make it with this model's workspace(lanes, steps)")
    if train and not ws.train:
        raise UsageError("workspace: made for forward only; make it with train=True")
    if holds and ws.holds != holds:
        before = {"logits": "forward", "errors": "backward"}[holds]
        raise UsageError(f"workspace: there are no {holds} of a window in it; call model.{before} before")
    if (ran or holds) and ws.ran != ws.batch.windows:
        raise UsageError("workspace: model.forward has not run on the window that is in its batch now; call it before")


def expect_state(state: State, kind: StateKind) -> None:
    """It is one of this kind."""
    expect_kind("state", State, state)
    if state.kind != kind:
        raise UsageError(f"state: expected one of {kind}, found one of {state.kind}; make it with model.state(lanes)")


def expect_encoded(ws: Workspace) -> None:
    """What its sources or vectors come to is there."""
    if not ws.encoded:
        raise UsageError("workspace: nothing was encoded in it; call model.encode before")


def expect_window(ws: Workspace) -> None:
    """There is a window in its batch."""
    steps, boundary = ws.batch.steps, ws.batch.boundary
    if not 1 <= steps <= ws.steps:
        raise UsageError(f"workspace: the window in its batch has {steps} steps, expected 1 to {ws.steps}; use a Feed")
    if boundary is not None and len(boundary) < steps:
        raise UsageError(f"workspace: its batch has boundaries for {len(boundary)} steps, its window {steps}")
    source, most = ws.batch.source_steps, ws.batch.sizes.source
    if most and not 1 <= source <= most:
        raise UsageError(f"workspace: the source in its batch has {source} steps, expected 1 to {most}; use a Feed")


def expect_errors(ws: Workspace, d_last: Sequence[Mapping[str, Array]]) -> None:
    """There is an error for each state of each layer of `ws`."""
    layers = d_last if isinstance(d_last, Sequence) and all(isinstance(each, Mapping) for each in d_last) else [{}]
    found = [{name: _described(array) for name, array in layer.items()} for layer in layers]
    expected = [{name: _described(array[0]) for name, array in layer.states.items()} for layer in ws.layers]
    if found != expected:
        raise UsageError(f"d_last: expected {expected}, found {found}")


def expect_kept(ws: Workspace, keep: Array) -> None:
    """There is a number for each output of the window in `ws`."""
    steps, lanes = ws.batch.steps, ws.lanes
    found, expected = _described(keep), _described(ws.losses[: steps * lanes].reshape(steps, lanes))
    if found != expected:
        raise UsageError(f"keep: expected {expected}, found {found}")


def _described(array: Array) -> str:
    kind = type(array)
    return f"{kind.__module__}.{kind.__name__} {getattr(array, 'shape', '')} {getattr(array, 'dtype', '')}".strip()
