"""The loss of strings without an alignment: against all alignments one by one, PyTorch, and closed forms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.network.heads.ctc import CTC, CTC_LOSS

PYTORCH = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_ctc.npz"
"""Written by make_pytorch_ctc.py."""
SYMBOLS = 4
BLANK = SYMBOLS - 1
STRINGS = ((0, 1, 2), (1, 1), (2, 2, 2), (0,), (), (1, 0, 1), (2, 2, 0, 0), (0, 1, 1, 2))
FRAMES = (1, 2, 4, 5, 6)


@dataclass(frozen=True)
class Line:
    """Frames of a sequence, (n, K) outputs, and its string."""

    outputs: np.ndarray
    string: tuple[int, ...]

    @property
    def fits(self) -> bool:
        return len(self.string) + sum(a == b for a, b in itertools.pairwise(self.string)) <= len(self.outputs)


class Window:
    """Sequences one after the other in lanes, and what is left over; every label has the weight 1."""

    def __init__(self, lanes: Sequence[Sequence[Line]], spare: int = 0, symbols: int = SYMBOLS) -> None:
        steps = max(sum(len(each.outputs) for each in lane) for lane in lanes) + spare
        self.o = np.random.default_rng(3).standard_normal((steps, len(lanes), symbols))
        self.target = np.full((steps, len(lanes)), symbols - 1)
        self.carry, self.weight = np.ones((steps, len(lanes), 1)), np.zeros((steps, len(lanes)))
        self.places: list[tuple[Line, slice, int]] = []
        for b, lane in enumerate(lanes):
            first = 0
            for each in lane:
                labels, end = len(each.string), first + len(each.outputs)
                self.o[first:end, b] = each.outputs
                self.target[first : first + labels, b] = each.string
                self.carry[first, b] = 0
                self.weight[first : first + max(labels, 1), b] = 1
                self.places.append((each, slice(first, end), b))
                first = end
            self.carry[first : first + 1, b] = 0

    def run(
        self, be: Backend, dtype: str = "float64", longest: int | None = None, spare: int = 0, scale: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Losses, the same in evaluation, and errors. spare: steps that it is bound for and that are not there."""
        steps, lanes, symbols = self.o.shape
        width = (steps if longest is None else longest) + 1
        dims = {"N": steps + spare, "B": lanes, "K": symbols, "L": width}
        move = be.from_host
        o, carry, weight = (move(array.astype(dtype)) for array in (self.o, self.carry, self.weight))
        target = move(self.target.astype(be.index_dtype))
        found = []
        for op, more in ((CTC_LOSS, ()), (CTC, (move(np.array([scale], dtype)),))):
            losses, alphas = (
                move(np.full((steps, lanes), np.nan, dtype)),
                be.zeros((steps, lanes, 2 * width), "float64"),
            )
            be.bind(op, dtype, **dims)(o, target, carry, weight, *more, losses, alphas)
            found.append(be.to_host(losses))
        np.testing.assert_array_equal(*found)
        return found[0], be.to_host(o)


def of_all_alignments(sequence: Line) -> tuple[float, np.ndarray]:
    """The loss of a string and its error, by the probability of every way to name a symbol at each frame."""
    logs = sequence.outputs - np.log(np.exp(sequence.outputs).sum(axis=1, keepdims=True))
    symbols, frames = logs.shape[1], range(len(logs))
    total, occupancy = 0.0, np.zeros_like(logs)
    for alignment in itertools.product(range(symbols), repeat=len(logs)):
        kept = [k for t, k in enumerate(alignment) if t == 0 or alignment[t - 1] != k]
        if tuple(k for k in kept if k != symbols - 1) == sequence.string:
            probability = math.exp(logs[frames, alignment].sum())
            total += probability
            occupancy[frames, alignment] += probability
    return -math.log(total), np.exp(logs) - occupancy / total


@pytest.fixture(scope="module")
def packed() -> Window:
    """Every string in sequences of every length."""
    rng = np.random.default_rng(1)
    made = [
        Line(2 * rng.standard_normal((n, SYMBOLS)), string) for n in FRAMES for string in STRINGS if len(string) <= n
    ]
    assert {each.fits for each in made} == {True, False}
    return Window([made[n::3] for n in range(3)], spare=2)


def check(window: Window, losses: np.ndarray, errors: np.ndarray, tolerance: float, scale: float = 1.0) -> None:
    """Against all alignments, of each sequence; what is left over has neither losses nor errors."""
    left = np.ones(losses.shape, bool)
    for each, steps, lane in window.places:
        left[steps, lane] = False
        if not each.fits:
            assert not (losses[steps, lane].any() or errors[steps, lane].any())
            continue
        nats, error = of_all_alignments(each)
        labels = max(len(each.string), 1)
        expected = np.zeros(len(each.outputs))
        expected[:labels] = nats / labels
        weight = window.weight[steps, lane].sum() / labels
        np.testing.assert_allclose(losses[steps, lane], expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(errors[steps, lane], error * weight * scale, rtol=tolerance, atol=tolerance)
    assert left.any() and not (losses[left].any() or errors[left].any())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_and_errors_are_those_of_all_alignments(be: Backend, packed: Window, dtype: str):
    check(packed, *packed.run(be, dtype, scale=0.5), 2e-6 if dtype == "float32" else 1e-13, scale=0.5)


def test_a_window_may_have_fewer_steps_and_room_for_no_longer_strings(be: Backend, packed: Window):
    for longest, spare in ((4, 0), (4, 3)):
        check(packed, *packed.run(be, longest=longest, spare=spare), 1e-13)


@pytest.mark.parametrize("longest", [0, 2])
def test_longer_strings_are_cut(be: Backend, packed: Window, longest: int):
    cut = Window([[Line(s.outputs, s.string[:longest]) for s, _, b in packed.places if b == n] for n in range(3)], 2)
    cut.weight[...] = packed.weight
    losses, errors = packed.run(be, longest=longest)
    expected = cut.run(be)
    np.testing.assert_allclose(losses, expected[0], rtol=1e-13)
    np.testing.assert_allclose(errors, expected[1], rtol=1e-13, atol=1e-14)


def test_the_weight_of_a_string_is_the_mean_of_those_of_its_labels(be: Backend, packed: Window):
    """Of an empty one that of its first step; where that is 0 it has no loss."""
    heavy = Window([[each for each, _, b in packed.places if b == n] for n in range(3)], spare=2)
    rng = np.random.default_rng(4)
    heavy.weight[heavy.weight > 0] = rng.random(int(heavy.weight.sum()))
    steps, lane = next((steps, lane) for each, steps, lane in heavy.places if each.string == (0, 1, 2) and each.fits)
    heavy.weight[steps, lane] = 0
    losses, errors = heavy.run(be)
    check(heavy, losses, errors, 1e-13)
    assert losses[steps, lane].any() and not errors[steps, lane].any()
    light = Window([[Line(heavy.o[:5, 0], ())], [Line(heavy.o[:5, 1], (0,))]])
    light.weight[0, 0] = 0
    losses, errors = light.run(be)
    assert not (losses[:, 0].any() or errors[:, 0].any()) and losses[0, 1] > 0 and errors[:, 1].any()


def test_losses_and_errors_are_those_of_pytorch(be: Backend):
    with np.load(PYTORCH) as stored:
        values = dict(stored)
    rows, strings = (
        np.split(values[name], np.cumsum(values[of])[:-1]) for name, of in (("outputs", "frames"), ("labels", "counts"))
    )
    made = [Line(o, tuple(string.tolist())) for o, string in zip(rows, strings, strict=True)]
    window = Window([made[:3], made[3:5], made[5:]], spare=1, symbols=7)
    places = [window.places[n] for n in range(len(made))]
    losses, errors = window.run(be)
    nats = [losses[steps, lane].sum() for _, steps, lane in places]
    np.testing.assert_allclose(nats, values["nats"], rtol=1e-13)
    found = np.concatenate([errors[steps, lane] for _, steps, lane in places])
    np.testing.assert_allclose(found, values["errors"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "dtype"), [(1e4, "float32"), (1e4, "float64"), (3e38, "float32"), (1e150, "float64")])
def test_no_finite_output_makes_a_loss_that_is_not(be: Backend, size: float, dtype: str):
    """Of each frame one output is far above all others: the right one in most, and in none."""
    string, named = (0, 0, 1), (0, 3, 0, 3, 2, 3, 1)
    outputs = np.zeros((len(named), SYMBOLS))
    outputs[range(len(named)), named] = size
    worst = Line(np.where(np.arange(SYMBOLS) == 2, size, -size) * np.ones((7, 1)), string)
    window = Window([[Line(outputs, string), worst], [Line(outputs, (0, 0, 2, 1)), worst]], spare=1)
    losses, errors = window.run(be, dtype)
    assert np.isfinite(losses).all() and np.isfinite(errors).all()
    assert losses[:3, 0].sum() == pytest.approx(min(size, 1e6), rel=1e-6), "another symbol in one frame"
    assert abs(losses[:4, 1]).max() < 1e-4 and not errors[:7, 1].any(), "what it says itself"
    assert losses[7:10, 0].sum() == pytest.approx(min(14 * size, 7e6), rel=1e-4)
    np.testing.assert_allclose(errors[7:14, 0].sum(axis=1), 0, atol=1e-6)
    assert (errors[7:14, 0, 2] == 1).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_an_output_that_is_not_finite_stays_visible_in_its_sequence(be: Backend, packed: Window, poison: float):
    ruined = Window([[each for each, _, b in packed.places if b == n] for n in range(3)], spare=2)
    _, steps, lane = next(place for place in ruined.places if place[0].fits and len(place[0].outputs) == 6)
    ruined.o[steps.start + 3, lane, 1] = poison
    with np.errstate(invalid="ignore"):
        losses, errors = ruined.run(be)
    where = np.zeros(losses.shape, bool)
    where[steps, lane] = True
    assert np.isnan(losses[where]).any() and np.isnan(errors[where]).any()
    assert np.isfinite(losses[~where]).all() and np.isfinite(errors[~where]).all()


@pytest.mark.parametrize("labels", [63, 64, 65, 127, 128, 140])
def test_long_strings_are_sound(be: Backend, labels: int):
    """Around the sizes of blocks of states, of outputs that are all alike: the loss counts the alignments.

    Of labels that differ from their neighbours, with n frames: binomial(n + m, 2m) of them.
    """
    frames, symbols = 300, 3
    string = tuple(n % 2 for n in range(labels))
    window = Window([[Line(np.zeros((frames, symbols)), string)]], spare=1, symbols=symbols)
    expected = frames * math.log(symbols) - math.log(math.comb(frames + labels, 2 * labels))
    losses, errors = window.run(be)
    assert losses.sum() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(errors[:frames].sum(axis=2), 0, atol=1e-10)
    first = 1 / symbols - math.comb(frames - 1 + labels, 2 * labels) / math.comb(frames + labels, 2 * labels)
    assert errors[0, 0, 2] == pytest.approx(first, rel=1e-9)
