"""The run so far: what its log says, and what its next updates would do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.diagnosis.lanes import GoingOn
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.control import Control
from gpurnn.training.learner import Learner
from gpurnn.training.tasks import Task

_MOST = 256


@dataclass(frozen=True)
class Curve:
    """Losses by window, thinned to at most `_MOST` lines; None where a line has none."""

    windows: tuple[int, ...]
    loss: tuple[float | None, ...]
    valid: tuple[float | None, ...]


@dataclass(frozen=True)
class History:
    """What the lines of a log say.

    windows, epochs: of the last line. loss: the mean loss of training in it; lowest: that of all lines. best: the
    lowest validation; best_window: after which window; last: the last one; worse: how many in a row, up to the last,
    were no better; loss_at_best: the training loss then. Where there was none they are None, and 0. Of text a
    validation is judged by the median over its lanes, which those that are stuck do not move. skipped: windows whose
    gradient was not finite. divergences: how often the loss ran away. norm, clipped: the largest norm of a gradient,
    and in which share of the windows it was above `clip`, nan without lines; in logs of earlier versions, of the
    windows of lines. rate: the highest learning rate. ratio: how far the last update moved the parameters, as a share
    of them, None where that is not known. curve: of the losses.
    """

    windows: int
    epochs: float
    loss: float | None
    lowest: float | None
    best: float | None
    best_window: int
    last: float | None
    worse: int
    loss_at_best: float | None
    skipped: int
    divergences: int
    norm: float
    clipped: float
    clip: float
    rate: float
    ratio: float | None
    curve: Curve

    @property
    def overfitting(self) -> bool:
        """Whether five validations in a row were no better while the training loss fell."""
        if self.loss is None or self.loss_at_best is None:
            return False
        return self.worse >= 5 and self.loss < self.loss_at_best


def history(lines: Iterable[Mapping[str, Any]], config: TrainConfig, task: type[Task]) -> History | None:
    """From the lines of a log; None where it has none."""
    windows, epochs, best_window, worse, skipped, divergences = 0, 0.0, 0, 0, 0, 0
    loss: float | None = None
    best: float | None = None
    last: float | None = None
    at_best: float | None = None
    lowest: float | None = None
    ratio: float | None = None
    norms: list[float] = []
    acted = covered = 0.0
    points: list[tuple[int, float | None, float | None]] = []
    for line in lines:
        before, windows, epochs = windows, int(line["window"]), _number(line.get("epoch")) or 0.0
        loss = _number(line.get(task.loss_key))
        skipped = int(_number(line.get("skipped_windows")) or 0)
        divergences = int(_number(line.get("divergences")) or 0)
        norm = _number(line.get("gradient_norm_max", line.get("gradient_norm")))
        norms += [] if norm is None else [norm]
        clipped = _number(line.get("clipped_windows"))
        if clipped is not None:
            acted, covered = acted + clipped, covered + windows - before
        ratio = _number(line.get("update_ratio"))
        valid = _number(line.get(task.valid_key))
        judged = _number(line.get("median_nats_per_token", valid))
        last = last if valid is None else valid
        points.append((windows, loss, valid))
        if judged is not None:
            worse += 1
            if lowest is None or judged < lowest:
                lowest, best, best_window, worse, at_best = judged, valid, windows, 0, loss
    if not windows:
        return None
    clip, share = config.optimizer.clip, math.nan
    if covered:
        share = acted / covered
    elif norms:
        share = float(np.mean(np.array(norms) > (clip or np.inf)))
    return History(
        windows=windows,
        epochs=epochs,
        loss=loss,
        lowest=min((loss for _, loss, _ in points if loss is not None), default=None),
        best=best,
        best_window=best_window,
        last=last,
        worse=worse,
        loss_at_best=at_best,
        skipped=skipped,
        divergences=divergences,
        norm=max(norms, default=math.nan),
        clipped=share,
        clip=clip,
        rate=config.schedule.lr,
        ratio=ratio,
        curve=Curve(*zip(*_thinned(points), strict=True)),
    )


def _thinned(points: list[tuple[int, float | None, float | None]]) -> list[tuple[int, float | None, float | None]]:
    """At most about `_MOST` of the lines: those with a validation first, since there are fewer."""
    every = -(-len(points) // _MOST)
    return [point for number, point in enumerate(points) if number % every == 0 or (every < 8 and point[2] is not None)]


def _number(value: Any) -> float | None:
    """What a line has, where it is a number: a log may come from anywhere."""
    return float(value) if type(value) in (int, float) else None


@dataclass(frozen=True)
class Updates:
    """What so many updates from a checkpoint on did, on a copy in memory. Each (updates,).

    ratio: |change of the parameters| / |parameters|. norm: of the gradient before clipping. clipped: whether it was.
    rate: the learning rate.
    """

    ratio: np.ndarray
    norm: np.ndarray
    clipped: np.ndarray
    rate: np.ndarray


def next_updates(
    be: Backend,
    corpus: Corpus,
    config: TrainConfig,
    checkpoint: Checkpoint,
    *,
    count: int = 16,
    going_on: GoingOn = lambda: True,
) -> Updates:
    """Go on from a checkpoint for up to `count` windows, and forget them: nothing is written.

    Raises CheckpointError for one that training cannot go on from, DataError where the corpus does not fit it.
    """
    learner = Learner(be, corpus, config, lambda line: None)
    learner.restore(checkpoint)
    found: list[tuple[float, float, bool, float]] = []
    with closing(learner.windows()) as stream:
        before = be.to_host(learner.model.params.values).astype(np.float64)
        for window in learner.feed(stream):
            learner.consume(window)
            after = be.to_host(learner.model.params.values).astype(np.float64)
            ctl = be.to_host(learner.optimizer.ctl)
            change = float(np.linalg.norm(after - before)) / max(float(np.linalg.norm(before)), 1e-300)
            clipped = bool(ctl[Control.CLIP_FACTOR] < 1)
            found.append((change, float(ctl[Control.NORM]), clipped, float(ctl[Control.RATE])))
            before = after
            if len(found) == count or not going_on():
                break
    ratio, norm, clipped_, rate = (np.array(each) for each in zip(*found, strict=True))
    return Updates(ratio, norm, clipped_, rate)
