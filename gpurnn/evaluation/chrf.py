"""chrF: how much two texts share of their runs of characters (M. Popović, 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ORDER = 6
"""Characters of the longest runs."""
_BETA_SQUARED = 4.0
"""Recall counts twice as much as precision."""


class Chrf:
    """chrF over many texts, 0 to 100: precision and recall of the runs of 1 to 6 characters, white space left out.

    The runs of all texts are counted together; the mean of precision, and of recall, over the lengths of which there
    are runs on both sides. Of several references the one counts that alone gives the text the most.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, _ORDER), np.int64)

    def add(self, found: str, references: Sequence[str]) -> None:
        """found: one text. references: at least one."""
        runs = _runs(found)
        self._counts += max((_counts(runs, _runs(each)) for each in references), key=_score)

    @property
    def score(self) -> float:
        """0 where no run is shared."""
        return _score(self._counts)


def _runs(text: str) -> list[Counter[str]]:
    """How often each run occurs, by length."""
    text = "".join(text.split())
    every = range(1, _ORDER + 1)
    return [Counter(text[at : at + length] for at in range(len(text) - length + 1)) for length in every]


def _counts(found: list[Counter[str]], reference: list[Counter[str]]) -> NDArray[np.int64]:
    """(3, 6): of each length the runs found, those of the reference, and those shared."""
    shared = [sum((a & b).values()) for a, b in zip(found, reference, strict=True)]
    there = [sum(each.values()) for each in reference]
    # of a length that the reference has no runs of, none counts as found
    made = [sum(each.values()) if count else 0 for each, count in zip(found, there, strict=True)]
    return np.array([made, there, shared])


def _score(counts: NDArray[np.int64]) -> float:
    found, there, shared = counts[:, (counts[:2] > 0).all(axis=0)]
    if not shared.any():
        return 0.0
    precision, recall = float(np.mean(shared / found)), float(np.mean(shared / there))
    return 100 * (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)
