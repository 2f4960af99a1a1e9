"""The label of the nearest recording, by dynamic time warping: what a model of recordings has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks_lib.recordings import Recording


def nearest_labels(known: Sequence[Recording], asked: Sequence[Recording]) -> list[str]:
    """Of each recording the label of the known one that is nearest to it, the first of several."""
    mean, scale = _scaling(known)
    references = [(each.values - mean) / scale for each in known]
    distances = (warped((each.values - mean) / scale, references) for each in asked)
    return [known[int(row.argmin())].label for row in distances]


def _scaling(known: Sequence[Recording]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.concatenate([each.values for each in known])
    return rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)


def warped(asked: NDArray[np.float64], references: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Squared distances of (n, columns) from each of the references, (m, columns), along the best path; (references,).

    Source: Sakoe & Chiba 1978, with no limit to the warping and no weight for its steps.
    """
    lengths = np.array([len(each) for each in references])
    longest = int(lengths.max())
    padded = np.zeros((len(references), longest, asked.shape[1]))
    for place, each in enumerate(references):
        padded[place, : len(each)] = each
    before = np.full((longest + 1, len(references)), np.inf)
    before[0] = 0
    for row in asked:
        cost = np.square(padded - row).sum(axis=2).T
        now = np.full_like(before, np.inf)
        for j in range(longest):
            now[j + 1] = cost[j] + np.minimum(np.minimum(before[j], before[j + 1]), now[j])
        before = now
    return before[lengths, np.arange(len(references))]
