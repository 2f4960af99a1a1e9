"""Sequences that begin with a vector in lanes that go on from window to window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream import CaptionLanes, CaptionStream, Window
from gpurnn.training.validation import ForwardPass
from tests.pairmodels import KINDS, model_of
from tests.pairs import captioned, some_pairs

from .helpers import check_by_differences
from .packedpairs import LANES, Fed, captions_of, window_of


def going_on() -> Window:
    """The sequences at the beginning of lanes 0 and 2 go on from the window before; in lane 0 others begin."""
    window = window_of()
    window.carry[0] = 1
    return replace(window, has_boundary=True)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gradients_of_a_window_that_sequences_go_on_through(be: Backend, cell: str):
    """None comes from a start that a step of the window did not see, though its vector is there."""
    fed = Fed(be, captions_of(cell=cell), going_on())
    draw = np.random.default_rng(3)
    for carried in fed.state.layers:
        for array in carried.values():
            be.from_host(draw.normal(size=array.shape), out=array)
    gradients = fed.gradients()
    for name, array in fed.model.params.value.items():
        check_by_differences(be, name, gradients[name], fed.objective, array)


def test_a_window_in_which_nothing_begins_has_no_gradient_of_starts(be: Backend):
    window = going_on()
    window.carry.fill(1)
    fed = Fed(be, captions_of(), replace(window, has_boundary=False))
    gradients = fed.gradients()
    starts = [name for name in gradients if ".start." in name]
    assert len(starts) == 4 and all(not gradients[name].any() for name in starts)
    assert all(gradients[name].any() for name in gradients.keys() - starts)
    assert fed.window.carry.shape[1] == LANES


@pytest.mark.parametrize("steps", [3, 64])
def test_losses_are_those_of_whole_captions(be: Backend, tmp_path: Path, steps: int):
    """Wherever windows cut them: the state goes on."""
    what = captioned(tmp_path / "a.h5", [n for _, n in some_pairs(20, (1, 9))])
    model = model_of(be, **KINDS["vectors"])
    with CaptionLanes(what.corpus, lanes=1, steps=steps, epochs=1, plan=False, prefetch=False) as stream:
        found = np.concatenate([loss[:, 0] for _, loss in ForwardPass(model, *stream.geometry.sizes).losses(stream)])
    expected = np.zeros(len(found))
    ends = np.cumsum([len(each) + 1 for each in what.targets])
    with CaptionStream(what.corpus, lanes=2, steps=12, epochs=1, plan=False, prefetch=False) as whole:
        for window, losses in ForwardPass(model, *whole.geometry.sizes).losses(whole.recycled()):
            place, there = whole.place(window), window.weight > 0
            begins = np.append(0, ends)[place.sequence[there]]
            expected[begins + place.step[there]] = losses[there]
    assert (expected > 0).all() and len(found) == ends[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
