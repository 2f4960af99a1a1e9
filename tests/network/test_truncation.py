"""Truncation is exact: what windows leave out is known, and what is carried makes them one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpurnn.backend import Array, Backend
from gpurnn.network import Model, ModelConfig, State, Workspace
from gpurnn.network.cells import CELLS

from . import reference
from .helpers import HostWindow, check_gradient, draw_window, host, load, nested, random_model, random_state

pytestmark = [
    pytest.mark.parametrize("cell", list(CELLS)),
    pytest.mark.parametrize("embedding", [0, 2], ids=["one_hot", "embedding"]),
]
LANES, STEPS, SEAM = 3, 7, 4
EXACT = 1e-12


def whole_window() -> HostWindow:
    """Documents begin inside both parts, and for one lane just behind the seam."""
    window = draw_window(5, STEPS, LANES, seed=1)
    window.carry[SEAM, 0] = 0
    window.weight[SEAM - 1, 0] = 0
    window.carry[1, 2] = 0
    return window


class Run:
    """Windows of one model, forward in order with carried state; each keeps its workspace for the way back."""

    def __init__(self, be: Backend, model: Model, start: State, windows: list[HostWindow]) -> None:
        self.be, self.model = be, model
        state = _copy(be, model, start)
        self.workspaces: list[Workspace] = []
        for window in windows:
            ws = model.workspace(LANES, STEPS)
            load(be, ws.batch, window)
            model.forward(ws, state)
            model.carry_out(ws, state)
            self.workspaces.append(ws)
        self.last = host(be, state.named())

    def logits(self) -> np.ndarray:
        rows = [self.be.to_host(ws.o)[: ws.batch.steps * LANES] for ws in self.workspaces]
        return np.concatenate(rows)

    def gradient(self, *, across_the_seams: bool) -> dict[str, np.ndarray]:
        """Summed over the windows, the last first; with the errors at the very first states."""
        total: dict[str, np.ndarray] = {}
        d_last = None
        for ws in reversed(self.workspaces):
            self.model.backward(ws, d_last if across_the_seams else None)
            d_last = [layer.d_first for layer in ws.layers]
            for name, array in host(self.be, self.model.params.gradient).items():
                total[name] = total.get(name, 0) + array
        first = enumerate(self.workspaces[0].layers)
        return total | {
            f"state.{n}.{name}": self.be.to_host(d) for n, layer in first for name, d in layer.d_first.items()
        }


def _copy(be: Backend, model: Model, state: State) -> State:
    copy = model.state(LANES)
    for to, array in zip(copy.named().values(), state.named().values(), strict=True):
        be.from_host(be.to_host(array), out=to)
    return copy


@pytest.fixture
def model(be: Backend, cell: str, embedding: int) -> Model:
    return random_model(be, ModelConfig(5, cell, 4, 2, embedding, dropout=0.0, dtype="float64"))


@pytest.fixture
def start(be: Backend, model: Model) -> State:
    return random_state(be, model, LANES)


@pytest.mark.parametrize("cuts", [[4], [1, 2, 3, 4, 5, 6], [6]], ids=["two", "one_step_each", "short_last"])
def test_carried_state_makes_windows_one(be: Backend, model: Model, start: State, cuts: list[int]):
    window = whole_window()
    parts = [window.part(a, b) for a, b in zip([0, *cuts], [*cuts, STEPS], strict=True)]
    whole, cut = Run(be, model, start, [window]), Run(be, model, start, parts)
    np.testing.assert_allclose(cut.logits(), whole.logits(), rtol=EXACT, atol=EXACT)
    for name, array in whole.last.items():
        np.testing.assert_allclose(cut.last[name], array, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("cuts", [[4], [1, 2, 3, 4, 5, 6]], ids=["two", "one_step_each"])
def test_errors_across_the_seam_give_the_whole_gradient(be: Backend, model: Model, start: State, cuts: list[int]):
    window = whole_window()
    parts = [window.part(a, b) for a, b in zip([0, *cuts], [*cuts, STEPS], strict=True)]
    whole = Run(be, model, start, [window]).gradient(across_the_seams=False)
    cut = Run(be, model, start, parts).gradient(across_the_seams=True)
    assert set(cut) == set(whole) == set(model.params.value) | set(start.named())
    for name, expected in whole.items():
        check_gradient(name, cut[name], expected, EXACT)


def test_without_them_exactly_the_missing_term_is_missing(be: Backend, cell: str, model: Model, start: State):
    """The second window's loss, as far as it depends on θ through the state at the seam alone.

    That term is (∂s/∂θ)ᵀ ∂J2/∂s, s being the state at the seam. The reference gives it with no backward pass: first
    ∂J2/∂s, then the derivative of ⟨s(θ), ∂J2/∂s⟩ with the second factor held.
    """
    reference.skip_without(cell)
    window = whole_window()
    parts = [window.part(0, SEAM), window.part(SEAM, STEPS)]
    whole = Run(be, model, start, [window]).gradient(across_the_seams=False)
    cut = Run(be, model, start, parts).gradient(across_the_seams=False)
    parameters, first = nested(host(be, model.params.value)), _lanes(be, start)

    def through(
        part: HostWindow, state: list[list[reference.Lane]]
    ) -> tuple[reference.Number, list[list[reference.Lane]]]:
        logits, last = reference.forward(cell, parameters, part.tokens.tolist(), part.carry.tolist(), state)
        return reference.loss(logits, part.targets.tolist(), part.weight.tolist(), part.scale), last

    seam = through(parts[0], first)[1]
    held = [
        [
            {name: reference.derivative(lambda: through(parts[1], seam)[0], values) for name, values in lane.items()}
            for lane in layer
        ]
        for layer in seam
    ]
    assert any(any(values) for layer in held for lane in layer for values in lane.values())

    def at_the_seam() -> reference.Number:
        total: reference.Number = 0.0
        for layer, d_layer in zip(through(parts[0], first)[1], held, strict=True):
            for lane, d_lane in zip(layer, d_layer, strict=True):
                for name, values in lane.items():
                    total = total + sum(v * d for v, d in zip(values, d_lane[name], strict=True))
        return total

    for name in model.params.value:
        missing = np.array(reference.derivative(at_the_seam, parameters[name]))
        if name.startswith("output."):
            assert not missing.any(), "the output layer does not act on the state"
        else:
            check_gradient(f"{name}: missing", whole[name] - cut[name], missing, 1e-11)
        scale = np.linalg.norm(whole[name])
        assert np.linalg.norm(whole[name] - cut[name] - missing) < EXACT * scale, name


def _lanes(be: Backend, state: State) -> list[list[reference.Lane]]:
    layers = [host(be, layer) for layer in state.layers]
    return [[{name: array[b].tolist() for name, array in layer.items()} for b in range(LANES)] for layer in layers]


def test_no_error_crosses_a_seam_where_a_document_begins(be: Backend, model: Model, start: State):
    window = whole_window()
    window.carry[SEAM] = 0
    parts = [window.part(0, SEAM), window.part(SEAM, STEPS)]
    whole = Run(be, model, start, [window]).gradient(across_the_seams=False)
    run = Run(be, model, start, parts)
    cut = run.gradient(across_the_seams=False)
    for layer in run.workspaces[1].layers:
        d_first: dict[str, Array] = layer.d_first
        assert not any(be.to_host(d).any() for d in d_first.values())
    for name, expected in whole.items():
        check_gradient(name, cut[name], expected, EXACT)


def test_forward_leaves_the_carried_state_alone(be: Backend, model: Model, start: State):
    """So that a window that is skipped can be forgotten."""
    before = host(be, start.named())
    ws = model.workspace(LANES, STEPS)
    load(be, ws.batch, replace(whole_window(), scale=0.5))
    model.forward(ws, start)
    model.backward(ws)
    for name, array in host(be, start.named()).items():
        np.testing.assert_array_equal(array, before[name])
