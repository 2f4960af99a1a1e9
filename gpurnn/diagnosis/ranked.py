"""Which units remember: ranked by what the current symbol does not explain of them, with what they go with instead.

A unit whose value follows from the symbol that was just read repeats the input; what is left of its variance beside
the means by symbol comes from what was read before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gpurnn.diagnosis.lanes import Numbers

MOST = 20
_AT_ONCE = 32
STILL = 0.02
"""A unit whose standard deviation is below that hardly moves."""


@dataclass(frozen=True)
class Ranked:
    """A unit, by the name of its hidden state and its number there.

    unexplained: 1 - R², the share of its variance that is left beside its means by the current symbol. feature: of
    those looked at the one that it is correlated with most, either way, None where the text has none of them.
    correlation: with that; nan without.
    """

    name: str
    unit: int
    unexplained: float
    feature: str | None
    correlation: float


def ranked(
    hidden: Mapping[str, np.ndarray], tokens: np.ndarray, features: Mapping[str, np.ndarray]
) -> tuple[Ranked, ...]:
    """The first `MOST` of all units that move. hidden: (T, B, H), by name. tokens, features: (T, B), what was read."""
    symbols = tokens.ravel()
    varying = {name: array.ravel() - array.mean() for name, array in features.items() if np.ptp(array) > 0}
    names = list(varying)
    columns = np.array([array / np.sqrt(np.square(array).mean()) for array in varying.values()])
    found = []
    for name, first, part in _parts(hidden):
        values = part.reshape(len(symbols), -1).astype(np.float64)
        values -= values.mean(axis=0)
        deviation = np.sqrt(np.square(values).mean(axis=0))
        left = np.sqrt(np.square(values - _means_by(symbols, values)[symbols]).mean(axis=0))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (left / deviation) ** 2
            correlations = columns @ (values / deviation) / len(symbols) if names else np.zeros((0, len(share)))
        for unit in np.flatnonzero(deviation >= STILL).tolist():
            best = int(np.abs(correlations[:, unit]).argmax()) if names else -1
            feature, correlation = (names[best], float(correlations[best, unit])) if names else (None, np.nan)
            found.append(Ranked(name, first + unit, float(share[unit]), feature, correlation))
    return tuple(sorted(found, key=lambda each: -each.unexplained)[:MOST])


def _parts(hidden: Mapping[str, np.ndarray]) -> Iterator[tuple[str, int, np.ndarray]]:
    """Some units at a time, which takes less memory: of which hidden state, the number of the first, their values."""
    for name, array in hidden.items():
        for first in range(0, array.shape[-1], _AT_ONCE):
            yield name, first, array[..., first : first + _AT_ONCE]


def _means_by(symbols: np.ndarray, values: Numbers) -> Numbers:
    """The mean of the values (n, H) at each symbol, (symbols, H); 0 at those that do not occur."""
    order = np.argsort(symbols, kind="stable")
    there, begins, counts = np.unique(symbols[order], return_index=True, return_counts=True)
    means = np.zeros((int(symbols.max()) + 1, values.shape[1]))
    means[there] = np.add.reduceat(values[order], begins, axis=0) / counts[:, None]
    return means
