"""What is forecast: which columns, and how far ahead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.columns import Columns
from gpurnn.data.series.durations import in_words, seconds_of
from gpurnn.exceptions import UsageError


@dataclass(frozen=True)
class Forecast:
    """Targets of each row: some columns, each at some times ahead; C columns and A times make C A targets.

    target: names of the columns. ahead: durations, such as "24h", multiples of the interval between rows. The targets
    stand in the order of `product(target, ahead)`.
    A target is the change from what its column is now, over the column's scale: (x(t + a) - x(t)) / scale.
    Raises UsageError for a column that is not measured, a duration that is none, and for what is there twice.
    """

    columns: Columns
    target: tuple[str, ...]
    ahead: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("target", "ahead"):
            given = getattr(self, name)
            if not given:
                raise UsageError(f"`{name}`: expected at least one")
            twice = [each for each in given if given.count(each) > 1]
            if twice:
                raise UsageError(f"`{name}`: {twice[0]} is there twice")
        for name in self.target:
            try:
                column = self.columns.index(name)
            except UsageError as error:
                raise UsageError(f"`target={name}`: {error}") from None
            if column >= self.columns.measured:
                raise UsageError(f"`target={name}`: this column is of the clock; forecast a measured one")
        interval = self.columns.interval
        for each in self.ahead:
            seconds = seconds_of(each, "ahead")
            if seconds % interval:
                raise UsageError(
                    f"`ahead={each}`: expected a multiple of the interval between rows, {in_words(interval)}"
                )

    @cached_property
    def places(self) -> tuple[int, ...]:
        """(C,), where the columns of the targets stand in a row."""
        return tuple(self.columns.index(name) for name in self.target)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """(A,), how many rows ahead."""
        return tuple(seconds_of(each, "ahead") // self.columns.interval for each in self.ahead)

    @property
    def width(self) -> int:
        """C A, how many targets a row has."""
        return len(self.target) * len(self.ahead)

    @property
    def most(self) -> int:
        """How many rows ahead the farthest target lies."""
        return max(self.steps)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(C A,), such as "temp+24h"."""
        return tuple(f"{name}+{ahead}" for name, ahead in product(self.target, self.ahead))

    @cached_property
    def scale(self) -> NDArray[np.float64]:
        """(C A,), of the column of each target, in its unit."""
        return np.repeat(self.columns.scale[list(self.places)], len(self.ahead))

    def changes(
        self, rows: NDArray[Any], left: NDArray[Any], out: NDArray[Any], now: NDArray[Any] | None = None
    ) -> None:
        """Overwrites out, (n, C A), with the targets of n rows; NaN where one is missing or lies beyond its stretch.

        rows: (n + `most`, F), NaN where a number is missing: those after the n-th are there to be looked ahead at.
        left: (n,), how many rows of its stretch come after each. now: (n, C), what the columns are now; their values
        in `rows` unless given.
        """
        n, column = len(out), 0
        for c, place in enumerate(self.places):
            present = rows[:n, place] if now is None else now[:, c]
            for steps in self.steps:
                target = out[:, column]
                np.subtract(rows[steps : steps + n, place], present, out=target)
                np.divide(target, self.columns.scale[place], out=target, casting="same_kind")
                target[left < steps] = np.nan
                column += 1
