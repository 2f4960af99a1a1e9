"""Training on arrays: one window by hand, what is kept, and the same bits again."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.exceptions import TrainingError, UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.fit import Fitting, Parts, parts_of_arrays
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.step import TrainingStep

N, T, E, K = 6, 5, 3, 2


def arrays(seed: int = 1, sequences: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(3, 2, (sequences, T, E)), rng.normal(-1, 5, (sequences, T, K))


def config(head: str = "squared", lanes: int = N, **others: Any) -> TrainConfig:
    quantiles = (0.2, 0.5) if head == "quantile" else ()
    model = ModelConfig(
        symbols=0,
        inputs=E,
        outputs=K * max(1, len(quantiles)),
        input="real",
        head=head,
        quantiles=quantiles,
        cell="gru",
        hidden=4,
        dropout=0.0,
        dtype="float64",
    )
    schedule = ScheduleConfig(lr=0.01, decay_patience=2)
    return TrainConfig(model, OptimizerConfig(weight_decay=0.0), schedule, lanes, T, restart=0.0, **others)


def nothing(line: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize("head", ["squared", "absolute", "quantile"])
def test_an_epoch_of_one_window_is_one_training_step(be: Backend, head: str):
    x, y = arrays()
    y[2, 3], y[0, :, 1] = np.nan, np.nan
    settings = config(head)
    parts = parts_of_arrays(x, y, 0.0, settings.seed)
    lines: list[dict[str, Any]] = []
    model = Fitting(be, settings, parts).run(1, lines.append)

    order = np.random.default_rng((settings.seed, 1)).permutation(N)
    reals = ((x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1)))[order].swapaxes(0, 1)
    targets = ((y - np.nanmean(y, axis=(0, 1))) / np.nanstd(y, axis=(0, 1)))[order].swapaxes(0, 1)
    carry, weight = np.ones((T, N)), (~np.isnan(targets).all(axis=2)).astype(float)
    carry[0] = 0
    by_hand = Model(be, settings.model)
    by_hand.params.initialise(be, settings.seed)
    workspace = by_hand.workspace(N, T, seed=settings.seed)
    optimizer = Optimizer(be, by_hand.params, settings.optimizer)
    window = Window(
        0, 0, carry=carry, weight=weight, has_boundary=True, uniform=False, weight_sum=float(weight.sum()),
        cursor=Cursor(1, N, T, N * T), reals=np.ascontiguousarray(reals), targets=np.ascontiguousarray(targets),
    )  # fmt: skip
    Feed(be, workspace.batch).load(window)
    TrainingStep(by_hand, workspace, by_hand.state(N), optimizer)(0.01)
    for name, array in by_hand.params.value.items():
        np.testing.assert_allclose(be.to_host(model.params.value[name]), be.to_host(array), rtol=1e-12, err_msg=name)
    assert lines == [{"epoch": 1, "loss": pytest.approx(float(be.to_host(workspace.loss)[0])), "learning_rate": 0.01}]


def test_the_sequences_held_back_are_drawn_by_the_seed_and_scale_nothing():
    x, y = arrays(sequences=40)
    y[7] = np.nan
    parts, again, other = (parts_of_arrays(x, y, 0.25, seed) for seed in (3, 3, 4))
    assert parts.valid.tolist() == again.valid.tolist() != other.valid.tolist()
    assert len(parts.valid) == 10 and sorted([*parts.train, *parts.valid]) == [i for i in range(40) if i != 7]
    np.testing.assert_allclose(parts.x_scaling.mean, x[parts.train].mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(parts.y_scaling.scale, y[parts.train].std(axis=(0, 1)), rtol=1e-12)


def test_one_sequence_is_learnt_from_and_none_held_back():
    x, y = arrays(sequences=1)
    parts = parts_of_arrays(x, y, 0.5, 1)
    assert (parts.train.tolist(), parts.valid.tolist()) == ([0], [])


def test_arrays_without_a_target():
    x, y = arrays()
    with pytest.raises(UsageError, match=r"^y: expected targets, found NaN alone$"):
        parts_of_arrays(x, np.full_like(y, np.nan), 0.0, 1)
    y[:, :, 1] = np.nan
    with pytest.raises(UsageError, match=r"^y: output 1 has no target in the sequences that are learnt from$"):
        parts_of_arrays(x, y, 0.0, 1)


class Scripted(Fitting):
    """Whose validations find what they are told to."""

    def __init__(self, be: Backend, settings: TrainConfig, parts: Parts, losses: list[float]) -> None:
        super().__init__(be, settings, parts)
        self.losses, self.values = iter(losses), []  # type: list[np.ndarray]

    def _validate(self, forward: Any) -> float:
        self.values.append(self._model.be.to_host(self._values).copy())
        return next(self.losses)


def test_the_best_parameters_are_kept_and_patience_ends_it(be: Backend):
    x, y = arrays(sequences=8)
    settings = config(lanes=2, patience=3)
    fitting = Scripted(be, settings, parts_of_arrays(x, y, 0.25, 1), [5.0, 3.0, 4.0, math.nan, 3.5, 1.0])
    lines: list[dict[str, Any]] = []
    model = fitting.run(50, lines.append)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["learning_rate"] for line in lines] == [0.01, 0.01, 0.01, 0.01, 0.005]
    assert be.to_host(model.params.values).tobytes() == fitting.values[1].tobytes() != fitting.values[4].tobytes()
    assert fitting.best == 3.0


def test_a_validation_is_the_mean_loss_of_the_targets_held_back(be: Backend):
    x, y = arrays(sequences=8)
    y[np.random.default_rng(2).random(y.shape) < 0.3] = np.nan
    settings = config(lanes=3)
    parts = parts_of_arrays(x, y, 0.5, 1)
    lines: list[dict[str, Any]] = []
    model = Fitting(be, settings, parts).run(1, lines.append)
    losses, weight = 0.0, 0
    for sequence in parts.valid:
        workspace = model.workspace(1, T, train=False)
        reals = parts.x_scaling.scaled(x[sequence])[:, None]
        targets = parts.y_scaling.scaled(y[sequence])[:, None]
        carry = np.ones((T, 1))
        carry[0] = 0
        window = Window(
            0, 0, carry=carry, weight=np.ones((T, 1)), has_boundary=True, uniform=True, weight_sum=float(T),
            cursor=Cursor(1, 1, T, T), reals=reals, targets=targets,
        )  # fmt: skip
        Feed(be, workspace.batch).load(window)
        model.forward(workspace, model.state(1))
        o = be.to_host(workspace.o).reshape(T, K)
        squares = (o - targets[:, 0]) ** 2
        losses += float(np.nansum(squares) / K)
        weight += int((~np.isnan(squares).all(axis=1)).sum())
    assert lines[0]["valid_loss"] == pytest.approx(losses / weight, rel=1e-10)


def test_the_same_seed_gives_the_same_bits(be: Backend):
    x, y = arrays(sequences=20)

    def values(seed: int) -> bytes:
        settings = config(lanes=4, seed=seed)
        model = Fitting(be, settings, parts_of_arrays(x, y, 0.2, seed)).run(3, nothing)
        return bytes(be.to_host(model.params.values).tobytes())

    assert values(5) == values(5) != values(6)


def test_no_finite_loss_is_told(be: Backend):
    x, y = arrays()
    fitting = Fitting(be, config(), parts_of_arrays(x, y, 0.0, 1))
    fitting._model.params.values[...] = math.nan
    with pytest.raises(TrainingError, match=r"^epoch 1: no window had a finite loss; start again with a lower `lr`$"):
        fitting.run(2, nothing)


def test_memory_does_not_grow_with_the_number_of_sequences(tmp_path: Path):
    steps = 200
    settings = replace(config(lanes=100), bptt=steps)

    def peak(sequences: int) -> int:
        x = np.lib.format.open_memmap(tmp_path / f"{sequences}.npy", "w+", np.float64, (sequences, steps, E))
        for first in range(0, sequences, 500):
            x[first : first + 500] = np.random.default_rng(first).normal(size=(500, steps, E))
        tracemalloc.start()
        Fitting(backend.get("cpu"), settings, parts_of_arrays(x, x[:, :, :K], 0.1, 1)).run(1, nothing)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(4000), peak(8000)
    assert large - small < 4000 * 50  # which sequences there are, and in which order; the numbers of one take 4,800
