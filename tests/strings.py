"""Strings of labels in drawn windows, for a head that knows no alignment."""

from __future__ import annotations

import numpy as np


def begins_of(carry: np.ndarray) -> list[tuple[int, int, int]]:
    """Lane, first step and end of each sequence of a window. carry: (T, B)."""
    found = []
    for lane in range(carry.shape[1]):
        firsts = [0, *(t for t in range(1, len(carry)) if carry[t, lane] == 0)]
        found += [(lane, first, end) for first, end in zip(firsts, [*firsts[1:], len(carry)], strict=True)]
    return found


def put_strings(targets: np.ndarray, carry: np.ndarray, weight: np.ndarray, blank: int, seed: int = 0) -> None:
    """targets, weight: (T, B), overwritten: a string at the first steps of each sequence, blanks and 0 at the others.

    Most strings are short beside their sequences; some do not fit, some are empty, with and without weight.
    """
    rng = np.random.default_rng(seed)
    targets[...] = blank
    drawn, weight[...] = weight.copy(), 0
    for lane, first, end in begins_of(carry):
        labels = min(int(rng.integers(0, end - first, endpoint=True) * rng.choice([0.5, 0.5, 0.5, 1])), 60)
        at = slice(first, first + max(labels, int(rng.random() < 0.5)))
        for t in range(first, first + labels if blank else first):
            again = t > first and rng.random() < 0.25
            targets[t, lane] = targets[t - 1, lane] if again else rng.integers(0, blank)
        weight[at, lane] = drawn[at, lane]
