"""What arrays have to be, and their scaling, against NumPy over the whole array at once."""

from __future__ import annotations

import numpy as np
import pytest

from gpurnn.data.arrays import arrays
from gpurnn.data.arrays.arrays import Layout, Scaling, known_sequences, numbers_of, scaling_of
from gpurnn.exceptions import DataError, UsageError


@pytest.fixture(params=[1, 60, 10_000])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many numbers at a time: less than a sequence, some of them, all."""
    monkeypatch.setattr(arrays, "_BLOCK", request.param)


@pytest.mark.usefixtures("block")
def test_scaling_is_that_of_the_known_numbers_of_the_chosen_sequences():
    rng = np.random.default_rng(1)
    x = rng.normal(1e6, [1.0, 5.0, 0.01], (17, 6, 3))
    x[rng.random(x.shape) < 0.3] = np.nan
    chosen = rng.random(17) < 0.6
    scaling, count = scaling_of("x", x, chosen)
    rows = x[chosen].reshape(-1, 3)
    assert count.tolist() == (~np.isnan(rows)).sum(axis=0).tolist()
    np.testing.assert_allclose(scaling.mean, np.nanmean(rows, axis=0), rtol=1e-14)
    np.testing.assert_allclose(scaling.scale, np.nanstd(rows, axis=0), rtol=1e-7)


@pytest.mark.usefixtures("block")
def test_what_never_changes_has_the_scale_1_and_what_is_never_known_the_mean_0():
    x = np.full((5, 4, 3), 0.1)
    x[:, :, 1] = np.nan
    x[:, :, 2] = np.arange(20).reshape(5, 4)
    scaling, count = scaling_of("x", x, np.ones(5, np.bool_))
    assert scaling.scale.tolist()[:2] == [1.0, 1.0] and scaling.mean[1] == 0 and count.tolist() == [20, 0, 20]
    assert abs(scaling.scaled(x)[0, 0, 0]) < 1e-15
    assert scaling.scale[2] == pytest.approx(np.sqrt((20**2 - 1) / 12))


@pytest.mark.usefixtures("block")
def test_an_infinite_number_is_refused_with_its_place_in_any_sequence():
    x = np.zeros((5, 4, 3), np.float32)
    x[3, 2, 1] = -np.inf
    with pytest.raises(UsageError, match=r"^x: sequence 3, step 2, number 1 is -inf; expected finite numbers, or NaN"):
        scaling_of("x", x, np.zeros(5, np.bool_))


def test_numbers_whose_squares_are_infinite_are_refused():
    with pytest.raises(UsageError, match=r"^y: its numbers are too large to be squared"):
        scaling_of("y", np.array([[[1e200], [-1e200]]]), np.ones(1, np.bool_))


@pytest.mark.usefixtures("block")
def test_sequences_with_a_target():
    y = np.full((4, 3, 2), np.nan)
    y[1, 2, 0] = y[3, 0, 1] = 5
    assert known_sequences(y).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("shape", "last", "unfolded"),
    [
        ((5, 4, 2), False, (5, 4, 2)),
        ((5, 4), False, (5, 4, 1)),
        ((5, 3), True, (5, 1, 3)),
        ((5,), True, (5, 1, 1)),
        ((5, 1, 4), True, (5, 1, 4)),
    ],
)
def test_layouts_of_targets(shape: tuple[int, ...], last: bool, unfolded: tuple[int, ...]):
    y = np.arange(np.prod(shape)).reshape(shape)
    layout = Layout.of(np.zeros((5, 4, 2)), y)
    assert layout.last == last
    wide = layout.unfold(y)
    assert wide.shape == unfolded and np.shares_memory(wide, y)
    assert np.array_equal(layout.fold(wide), y)
    assert layout.fold(np.zeros((*unfolded, 7))).shape == (*shape, 7)


@pytest.mark.parametrize("shape", [(4,), (4, 5), (5, 3, 2), (5, 4, 2, 1), (5, 0), ()])
def test_targets_of_another_shape(shape: tuple[int, ...]):
    with pytest.raises(UsageError, match=r"^y: expected \(5, 4, K\) or \(5, 4\), a target of each step, or \(5, K\)"):
        Layout.of(np.zeros((5, 4, 2)), np.zeros(shape))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1.0], [1.0, 2.0]], "x: expected an array on the host, found a list that is none"),
        (np.array([None, 1.0]), "x: expected real numbers, found an array of object"),
        (np.array(["1.0"]), "x: expected real numbers, found an array of <U3"),
        (np.zeros(3, complex), "x: expected real numbers, found an array of complex128"),
        (np.ma.masked_equal([1.0, 2.0], 1.0), "x: expected a plain array with NaN where a number is missing, found a"),
    ],
)
def test_what_is_no_array_of_real_numbers(given: object, message: str):
    with pytest.raises(UsageError, match=message):
        numbers_of("x", given)


def test_scaling_comes_back_from_a_file_and_nothing_else_does():
    scaling = Scaling(np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    written = scaling.to_arrays("x")
    again = Scaling.from_arrays("x", written, 2)
    assert np.array_equal(again.mean, scaling.mean) and np.array_equal(again.scale, scaling.scale)
    for name, value in (("x_mean", np.array([1.0, np.nan])), ("x_scale", np.zeros(2)), ("x_scale", np.ones(3))):
        with pytest.raises(DataError, match="arrays: expected a mean and a deviation of 2 numbers of x"):
            Scaling.from_arrays("x", written | {f"arrays.{name}": value}, 2)
    with pytest.raises(DataError):
        Scaling.from_arrays("y", written, 2)
