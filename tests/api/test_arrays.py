"""`gpurnn.fit` on arrays: what is learnt, predicted, kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpurnn
from gpurnn.api import arrays
from gpurnn.api.arrays import Fitted
from gpurnn.exceptions import CheckpointError, GpurnnError, UsageError

N, T = 240, 16


def lagged(seed: int = 1, sequences: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Noise in a unit of its own, and 10 x(t) + 5 x(t - 2) - 40 of its first column."""
    x = np.random.default_rng(seed).normal(7, 3, (sequences, T, 2))
    earlier = np.concatenate([np.full((sequences, 2), 7.0), x[:, :-2, 0]], axis=1)
    return x, 10 * x[:, :, 0] + 5 * earlier - 40


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Of a lagged sum."""
    x, y = lagged()
    return gpurnn.fit(x, y, hidden=16, lr=0.02, epochs=40, device="cpu")


def test_a_lagged_sum_is_learnt(fitted: Fitted):
    x, y = lagged(2)
    found = fitted.predict(x)
    assert found.shape == y.shape
    assert np.sqrt(np.mean((found - y) ** 2)) < 0.06 * y.std()
    assert fitted.best < 0.06**2


def test_a_sum_at_the_last_step_is_learnt():
    x = np.random.default_rng(3).normal(size=(400, 6, 1))
    y = np.stack([x.sum(axis=(1, 2)), -100 + x[:, -1, 0]], axis=1)
    fitted = gpurnn.fit(x, y, hidden=16, lr=0.02, epochs=60, device="cpu")
    new = np.random.default_rng(4).normal(size=(100, 6, 1))
    found = fitted.predict(new)
    assert found.shape == (100, 2)
    errors = found - np.stack([new.sum(axis=(1, 2)), -100 + new[:, -1, 0]], axis=1)
    assert (np.sqrt(np.mean(errors**2, axis=0)) < 0.15 * y.std(axis=0)).all()


def test_quantiles_cover_what_they_say():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 10, 1))
    y = rng.normal(0, 2, (200, 10))
    fitted = gpurnn.fit(x, y, loss="quantile", quantiles=[0.1, 0.9], hidden=4, epochs=20, device="cpu")
    found = fitted.predict(x)
    assert found.shape == (200, 10, 2)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), [-2.563, 2.563], atol=0.4)  # of a normal one with deviation 2
    assert np.mean((y > found[..., 0]) & (y < found[..., 1])) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("steps", [1, 5, 16])
def test_sequences_are_predicted_a_part_at_a_time(fitted: Fitted, monkeypatch: pytest.MonkeyPatch, steps: int):
    x, _ = lagged(2, 70)
    x[3, 4, 1] = np.nan
    whole = fitted.predict(x)
    monkeypatch.setattr(arrays, "_MOST_STEPS", steps)
    np.testing.assert_allclose(fitted.predict(x), whole, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(fitted.predict(x[5:6, :9]), whole[5:6, :9], rtol=1e-5, atol=1e-4)


def test_a_prediction_is_the_output_in_the_unit_of_y(fitted: Fitted):
    """Against the model run by hand, one step after the other."""
    x, _ = lagged(6, 1)
    scaled = ((x[0] - fitted.x_scaling.mean) / fitted.x_scaling.scale).astype(np.float32)
    value = {name: fitted.model.be.to_host(array) for name, array in fitted.model.params.value.items()}
    h, wanted = np.zeros(16), []
    for row in scaled:
        a, b = row @ value["layers.0.U"] + value["layers.0.b"], h @ value["layers.0.W"]
        r, z = (1 / (1 + np.exp(-(a + b)[part])) for part in (slice(0, 16), slice(16, 32)))
        n = np.tanh(a[32:] + r * (b[32:] + value["layers.0.b_h"]))
        h = (1 - z) * n + z * h
        wanted.append(float((h @ value["output.V"] + value["output.c"])[0]))
    in_unit = np.array(wanted) * fitted.y_scaling.scale[0] + fitted.y_scaling.mean[0]
    np.testing.assert_allclose(fitted.predict(x)[0], in_unit, rtol=1e-4, atol=1e-3)


def test_what_was_learnt_is_kept_in_a_file(fitted: Fitted, tmp_path: Path):
    x, _ = lagged(2, 9)
    fitted.save(tmp_path / "model")
    again = Fitted.load(tmp_path / "model", device="cpu")
    assert np.array_equal(again.predict(x), fitted.predict(x))
    assert again.config == fitted.config and repr(again) == repr(fitted)
    last = gpurnn.fit(x, x[:, -1], epochs=1, hidden=2, device="cpu")
    last.save(tmp_path / "model")
    assert Fitted.load(tmp_path / "model", "cpu").predict(x).shape == (9, 2)


def test_other_commands_do_not_take_it_for_a_model_of_text(fitted: Fitted, tmp_path: Path):
    fitted.save(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"which gpurnn\.fit made; gpurnn\.api\.arrays\.Fitted\.load reads it"):
        gpurnn.load(tmp_path / "model", "cpu")


def test_it_is_told_after_each_epoch_how_far_it_is():
    lines: list[dict[str, Any]] = []
    x, y = lagged(1, 20)
    gpurnn.fit(x, y, epochs=2, hidden=2, device="cpu", on_line=lines.append)
    assert [(line["epoch"], sorted(line)) for line in lines] == [
        (n, ["epoch", "learning_rate", "loss", "valid_loss"]) for n in (1, 2)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((4, 5))}, r"^x: expected \(N, T, E\): N sequences of T steps of E numbers, found \(4, 5\)"),
        ({"x": np.zeros((0, 5, 1))}, r"^x: expected \(N, T, E\)"),
        ({"x": np.zeros((4, 5, 1), object)}, "^x: expected real numbers, found an array of object"),
        ({"y": np.zeros((4, 6, 1))}, r"^y: expected \(4, 5, K\) or \(4, 5\)"),
        ({"y": np.full((4, 5), np.inf)}, "^y: sequence [0-3], step 0, number 0 is inf"),
        ({"y": np.full((4, 5), np.nan)}, "^y: expected targets, found NaN alone"),
        ({"loss": "mean"}, "^loss: expected one of absolute, squared, huber, quantile, found 'mean'"),
        ({"loss": "quantile", "quantiles": [0.9, 0.1]}, "^quantiles: expected numbers between 0 and 1, rising"),
        ({"loss": "quantile", "quantiles": 0.5}, "^quantiles: expected a list of finite numbers, found 0.5"),
        ({"epochs": 0}, "^epochs: expected at least 1, found 0"),
        ({"batch": 0}, "^batch: expected at least 1, found 0"),
        ({"valid": 1}, "^valid: expected 0 <= value < 1, found 1"),
        ({"seed": -1}, "^seed: expected 0 or more"),
        ({"hiden": 3}, "^fit: there is no keyword hiden; did you mean hidden"),
        ({"on_line": 3}, "^on_line: expected a function, found int"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], message: str):
    given: dict[str, Any] = {"x": np.zeros((4, 5, 1)), "y": np.zeros((4, 5)), "device": "cpu"} | change
    with pytest.raises(UsageError, match=message):
        gpurnn.fit(**given)


def test_other_arrays_are_not_predicted(fitted: Fitted):
    with pytest.raises(UsageError, match=r"^x: expected \(N, T, 2\): N sequences of T steps of 2 numbers, found"):
        fitted.predict(np.zeros((3, 4, 3)))
    with pytest.raises(UsageError, match=r"^x: sequence 0, step 1, number 0 is inf"):
        fitted.predict(np.array([[[0.0, 0.0], [np.inf, 0.0]]]))


def test_a_number_far_from_all_others_is_told(fitted: Fitted):
    x, y = lagged(1, 20)
    with pytest.raises(UsageError, match=r"^x: sequence 0 has a number that is too far from the mean of the others$"):
        fitted.predict(np.full((1, 3, 2), 1e300))
    for sequence in range(20):
        far = y.copy()
        far[sequence, 3] = 1e100
        try:
            gpurnn.fit(x, far, epochs=1, hidden=2, valid=0.5, device="cpu")
        except UsageError as error:
            assert str(error) == f"y: sequence {sequence} has a number that is too far from the mean of the others"
            return
    pytest.fail("no sequence was held back")


def test_a_prediction_that_is_not_finite_is_told(fitted: Fitted, tmp_path: Path):
    fitted.save(tmp_path / "model")
    broken = Fitted.load(tmp_path / "model", "cpu")
    broken.model.params.values[...] = np.nan
    with pytest.raises(GpurnnError, match=r"^a prediction is not finite: .* or x has far too large numbers$"):
        broken.predict(np.zeros((1, 3, 2)))
