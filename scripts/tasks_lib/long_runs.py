"""How much is right inside long runs of one tag, such as a string of more characters than a window shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.training.beside import beside
from gpurnn.training.labeller import Labeller
from gpurnn.training.load import Trained


def right_in_long_runs(trained: Trained, corpus: Path, tag: str, longer: int) -> tuple[int, int]:
    """Of the steps of the test split in runs of more than `longer` with that tag: how many are right, of how many."""
    labelling = trained.labelling
    number, right, count = labelling.labels.index(tag), 0, 0
    labeller = Labeller(trained.model, trained.config, at_end=False)
    with Corpus.open(corpus) as opened:
        for found, targets in beside(labeller.log_probabilities, sequences_of(opened.split("test"))):
            inside = in_long_runs(np.asarray(targets) == number, longer)
            right += int(np.count_nonzero(found[inside].argmax(axis=1) == number))
            count += int(np.count_nonzero(inside))
    return right, count


def in_long_runs(where: NDArray[Any], longer: int) -> NDArray[np.bool_]:
    """Which of the steps where something holds, (n,) bool, are in a row of more than `longer` such; (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]])))
    begins, ends = edges[::2], edges[1::2]
    long = ends - begins > longer
    inside = np.zeros(len(where) + 1, np.int64)
    inside[begins[long]] += 1
    inside[ends[long]] -= 1
    return inside[:-1].cumsum() > 0
