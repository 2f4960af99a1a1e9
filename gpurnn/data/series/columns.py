"""What is known of the columns of a series: their names, how they are scaled, and the interval between rows."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.durations import DAY, LONGEST
from gpurnn.exceptions import DataError, UsageError

CLOCK = ("hour_sin", "hour_cos", "year_sin", "year_cos")
"""The columns made of the time, which stand after all others: where a row stands in the day, and in the year.

Those of the year are there only where the train split is long enough to learn from, see `clock_of`.
"""
_CLOCKS = (CLOCK, CLOCK[:2])
_HALF_YEAR = 183 * DAY
MAX_COLUMNS = 65_536
_FIELDS = {"names", "interval", "season", "time", "key", "clock", "fill", "form"}
_ARRAYS = ("mean", "scale", "season_error")
_MOST = float(np.finfo(np.float32).max)
_LEAST = float(np.finfo(np.float32).tiny)
_SHOWN = 10
_MASK_BYTES = 4000
"""Missing numbers are looked for in so many numbers at once, so that nothing large is allocated."""


def clock_of(train: int) -> tuple[str, ...]:
    """The names of the clock's columns where the train split is so many seconds long.

    In less than half a year the place in the year is little else than the age of a row, from which nothing that comes
    later can be told.
    """
    return CLOCK if train >= _HALF_YEAR else CLOCK[:2]


@dataclass(frozen=True, eq=False)
class Columns:
    """What the numbers of a row mean: what a corpus and a model of measured series know of their columns.

    names: F of them, in order; those of the clock come last. mean, scale: (F,) float64, mean and standard deviation
    in the train split without the missing numbers; scale is above 0, the clock has 0 and 1.
    season_error: (F,) float64, the mean of |x(t) - x(t - season)| in the train split, in the column's unit; NaN where
    there is none. interval: seconds between rows. season: rows of a day where the interval divides one, else 1.
    time: names of the columns that hold the time. key: name of the column that says which series a row is of, empty
    without one. clock: whether the last columns are those of the clock. fill: rows of the longest gap that is filled
    as missing. form: how times and numbers are written in the file they came from, as JSON values.
    Raises DataError where they do not fit each other.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    season_error: NDArray[np.float64]
    interval: int
    season: int = 1
    time: tuple[str, ...] = ()
    key: str = ""
    clock: bool = False
    fill: int = 0
    form: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the lists tuples and the arrays read-only copies, after looking all of them over."""
        object.__setattr__(self, "names", _texts("names", self.names))
        object.__setattr__(self, "time", _texts("time", self.time))
        if not 1 <= len(self.names) <= MAX_COLUMNS:
            raise DataError(f"columns: expected 1 to {MAX_COLUMNS:,}, found {len(self.names):,}")
        if not isinstance(self.key, str) or not isinstance(self.clock, bool):
            raise DataError("columns: key or clock is not what it has to be")
        _expect_json(self.key, self.form)
        for name, low, high in (("interval", 1, LONGEST), ("season", 1, 86_400), ("fill", 0, 2**31 - 1)):
            _expect_whole(name, getattr(self, name), low, high)
        for name in _ARRAYS:
            object.__setattr__(self, name, _array(name, getattr(self, name), len(self.names)))
        self._check_values()
        if self.clock:
            own = slice(self.measured, None)
            if self.names[own] not in _CLOCKS or (self.mean[own] != 0).any() or (self.scale[own] != 1).any():
                raise DataError(f"columns: expected the clock's, {', '.join(CLOCK)}, last, unscaled")

    def _check_values(self) -> None:
        for good, expected in (
            (np.abs(self.mean) <= _MOST, "a finite mean"),
            ((self.scale >= _LEAST) & (self.scale <= _MOST), "a finite scale above 0"),
            (np.isnan(self.season_error) | ((self.season_error >= 0) & (self.season_error < np.inf)), "an error >= 0"),
        ):
            if not good.all():
                raise DataError(f"columns: expected {expected} of column {self.names[int(np.argmin(good))]!r:.60}")

    @property
    def inputs(self) -> int:
        """F, how many columns there are, those of the clock among them."""
        return len(self.names)

    @property
    def measured(self) -> int:
        """How many columns there are without those of the clock."""
        clock = max((len(each) for each in _CLOCKS if self.names[-len(each) :] == each), default=0)
        return len(self.names) - (clock if self.clock else 0)

    def index(self, name: str) -> int:
        """Where the column of this name stands. Raises UsageError, which names the nearest one."""
        if name in self.names:
            return self.names.index(name)
        near = difflib.get_close_matches(name, self.names, n=1)
        shown = ", ".join(map(repr, self.names[:_SHOWN])) + (", ..." if self.inputs > _SHOWN else "")
        raise UsageError(
            f"there is no column {name!r:.60}; {f'did you mean {near[0]!r}?' if near else f'there are {shown}'}"
        )

    def same_inputs(self, other: Columns) -> bool:
        """Whether a row means the same to both: the names, their scaling, the interval and the clock."""
        mine, theirs = ((c.names, c.interval, c.clock) for c in (self, other))
        arrays = ((self.mean, other.mean), (self.scale, other.scale))
        return mine == theirs and all(np.array_equal(one, two) for one, two in arrays)

    def scaled(self, rows: NDArray[np.float32], out: NDArray[Any]) -> None:
        """Overwrites out, (n, F) float32 or float64, with (rows - mean) / scale; missing numbers become 0.

        rows: (n, F) float32, NaN where a number is missing. Computed in out's type.
        """
        mean, scale = self.mean.astype(out.dtype), self.scale.astype(out.dtype)
        step = max(1, _MASK_BYTES // self.inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(out), step):
                part = out[first : first + step]
                np.copyto(part, rows[first : first + step])
                part -= mean
                part /= scale
                np.copyto(part, 0, where=np.isnan(part))

    def to_json(self) -> dict[str, Any]:
        """All but the arrays, as a dictionary of JSON values."""
        return {
            "names": list(self.names),
            "interval": self.interval,
            "season": self.season,
            "time": list(self.time),
            "key": self.key,
            "clock": self.clock,
            "fill": self.fill,
            "form": dict(self.form),
        }

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays, by their names in checkpoints."""
        return {f"columns.{name}": getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_json(cls, data: Any, arrays: Mapping[str, NDArray[Any]], source: str) -> Self:
        """The columns that `to_json` and `to_arrays` described.

        source: where they come from, for the message. Raises DataError for anything else.
        """
        if not isinstance(data, dict) or set(data) != _FIELDS:
            raise DataError(f"{source}: expected of its columns {', '.join(sorted(_FIELDS))}")
        missing = [name for name in _ARRAYS if f"columns.{name}" not in arrays]
        if missing:
            raise DataError(f"{source}: it has no columns.{missing[0]}")
        own: dict[str, Any] = {name: arrays[f"columns.{name}"] for name in _ARRAYS}
        try:
            return cls(**data, **own)
        except DataError as error:
            raise DataError(f"{source}: its {error}") from None


def _texts(name: str, given: Any) -> tuple[str, ...]:
    """A list of different texts, none of them empty, that can be stored."""
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) and each for each in given):
        raise DataError(f"columns: {name}: expected texts")
    seen = set()
    for each in given:
        if each in seen:
            raise DataError(f"columns: {name}: {each!r:.60} is there twice")
        seen.add(each)
        try:
            each.encode()
        except UnicodeEncodeError:
            raise DataError(f"columns: {name}: {each!r:.60} is not Unicode") from None
    return tuple(given)


def _expect_json(key: str, form: Any) -> None:
    try:
        key.encode()
        json.dumps(form, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):  # half of a surrogate pair is a ValueError, too
        raise DataError("columns: key and form are not JSON") from None
    if not isinstance(form, Mapping):
        raise DataError("columns: form: expected names and values")


def _expect_whole(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise DataError(f"columns: {name}: expected a whole number from {low} to {high}, found {value!r:.40}")


def _array(name: str, given: Any, count: int) -> NDArray[np.float64]:
    array = np.array(given, np.float64)
    if array.shape != (count,):
        raise DataError(f"columns: {name}: expected ({count},) numbers, found {array.shape}")
    array.flags.writeable = False
    return array
