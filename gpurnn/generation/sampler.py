"""Draws symbols from logits: temperature, the likeliest few, and one uniform a symbol, all on the host in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.settings import Count, Natural, Rule, check_fields, checked

_LEAST_TEMPERATURE = 1e-6  # so that logits of any size can be divided by it
_Temperature = Annotated[
    float, Rule(f"0, or {_LEAST_TEMPERATURE} or more", lambda x: x == 0 or x >= _LEAST_TEMPERATURE)
]
_TopK = Annotated[int, Rule("0 (all symbols) or more", lambda n: n >= 0)]
_TopP = Annotated[float, Rule("more than 0 and at most 1", lambda x: 0 < x <= 1)]


@dataclass(frozen=True)
class Sampling:
    """How symbols are drawn.

    temperature: logits are divided by it; 0: always the likeliest symbol, the lowest id among equals.
    top_k: only so many of the likeliest symbols are drawn, the lower ids among equals; 0: all.
    top_p: of those, only the fewest likeliest whose probabilities add up to at least this; 1: all.
    seed: of the uniforms, one a symbol; None: another one each time.
    Raises UsageError for a value out of its range.
    """

    temperature: _Temperature = 1.0
    top_k: _TopK = 0
    top_p: _TopP = 1.0
    seed: Natural | None = None

    def __post_init__(self) -> None:
        check_fields(self)


class Sampler:
    """Draws one symbol after another.

    symbols: K. temperature, top_k, top_p, seed: see `Sampling`. never: the id of a symbol that is never drawn.
    Raises UsageError for a value out of its range.
    """

    def __init__(
        self,
        symbols: int,
        *,
        temperature: float = Sampling.temperature,
        top_k: int = Sampling.top_k,
        top_p: float = Sampling.top_p,
        seed: int | None = Sampling.seed,
        never: int | None = None,
    ) -> None:
        how = Sampling(temperature, top_k, top_p, seed)
        symbols = checked("symbols", Count, symbols)
        if never is not None and not 0 <= checked("never", int, never) < symbols:
            raise UsageError(f"never: expected 0 to {symbols - 1}, found {never}")
        self._temperature, self._top_k, self._top_p, self._never = how.temperature, how.top_k, how.top_p, never
        self._generator = np.random.default_rng(how.seed)
        self._x = np.empty(symbols, np.float64)

    def draw(self, logits: np.ndarray) -> int:
        """A symbol from softmax(logits / temperature) over the kept symbols.

        logits: (K,) real. Raises GpurnnError where they are not finite, UsageError for others.
        """
        x = self._x
        given = np.asarray(logits)
        if given.shape != x.shape or given.dtype.kind not in "fiu":
            raise UsageError(f"logits: expected {x.shape} real numbers, found {given.shape} {given.dtype}")
        np.copyto(x, logits)
        if self._never is not None:
            x[self._never] = -math.inf
        best = int(x.argmax())
        top = float(x[best])
        if not math.isfinite(top):
            raise GpurnnError("the output of the model is not finite, it has diverged; try an earlier checkpoint")
        if self._temperature == 0:
            return best
        kept = _largest(x, self._top_k) if 0 < self._top_k < len(x) else None
        likelihood = x[kept] if kept is not None else x
        np.subtract(likelihood, top, out=likelihood)
        np.divide(likelihood, self._temperature, out=likelihood)
        np.exp(likelihood, out=likelihood)
        if self._top_p < 1:
            order = _nucleus(likelihood, self._top_p)
            likelihood = likelihood[order]
            kept = order if kept is None else kept[order]
        sums = likelihood.cumsum()
        place = int(sums.searchsorted(self._generator.random() * sums[-1], side="right"))
        if place == len(sums):  # the product was rounded up to the sum
            place = int(np.flatnonzero(likelihood)[-1])
        return place if kept is None else int(kept[place])


def _largest(x: np.ndarray, count: int) -> np.ndarray:
    """The ids of the `count` largest values, rising; among equals the lower ids."""
    least = np.partition(x, -count)[-count]
    above = np.flatnonzero(x > least)
    equal = np.flatnonzero(x == least)[: count - len(above)]
    return np.sort(np.concatenate((above, equal)))


def _nucleus(likelihood: np.ndarray, share: float) -> np.ndarray:
    """The ids of the fewest largest values that have at least this share of the sum, largest first."""
    order = np.argsort(-likelihood, kind="stable")
    sums = likelihood[order].cumsum()
    return order[: int(sums.searchsorted(share * sums[-1])) + 1]
