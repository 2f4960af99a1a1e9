"""What arrays of sequences have to be, and what their numbers are scaled by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import DataError, UsageError

_BLOCK = 1 << 15
"""Numbers that are looked at in one go."""
_SAME = 1e-12
"""A deviation below this part of the mean is rounding."""

Numbers = NDArray[Any]


def numbers_of(name: str, given: Any) -> Numbers:
    """An array of real numbers, as it was given where it is one; not copied then.

    name: of the argument. Raises UsageError, which names it, for anything else.
    """
    if isinstance(given, np.ma.MaskedArray):
        raise UsageError(f"{name}: expected a plain array with NaN where a number is missing, found a masked one")
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):  # rows of several lengths, an array of a device
        raise UsageError(
            f"{name}: expected an array on the host, found a {type(given).__name__} that is none"
        ) from None
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{name}: expected real numbers, found an array of {array.dtype}")
    return array


def inputs_of(given: Any, width: int | None = None) -> Numbers:
    """x (N, T, E), none of which is 0. width: E, where it is known. Raises UsageError."""
    x = numbers_of("x", given)
    if x.ndim != 3 or not x.size or width not in (None, x.shape[-1]):
        shape = "(N, T, E)" if width is None else f"(N, T, {width})"
        raise UsageError(f"x: expected {shape}: N sequences of T steps of {width or 'E'} numbers, found {x.shape}")
    return x


@dataclass(frozen=True)
class Layout:
    """How targets are laid out. last: one a sequence, of its last step; else one a step.

    axes: how many the array has; the last one is that of the K targets where there are `axes` 3, or 2 of the last step.
    """

    last: bool
    axes: int

    @classmethod
    def of(cls, x: Numbers, y: Numbers) -> Self:
        """That of y beside x. Raises UsageError where it fits none."""
        sequences, steps = x.shape[:2]
        if y.shape[:1] == (sequences,) and y.size and y.ndim <= 3:
            if y.ndim == 1:
                return cls(True, 1)
            if y.ndim == 3 and y.shape[1] in (1, steps):
                return cls(y.shape[1] < steps, 3)
            if y.ndim == 2:
                return cls(y.shape[1] != steps, 2)
        raise UsageError(
            f"y: expected ({sequences}, {steps}, K) or ({sequences}, {steps}), a target of each step, or "
            f"({sequences}, K) or ({sequences},), one of the last step, as x is {x.shape}; found {y.shape}"
        )

    def unfold(self, y: Numbers) -> Numbers:
        """y as (N, T, K), or (N, 1, K) of the last step; a view."""
        if self.axes == 3:
            return y
        return y[:, None, None] if self.axes == 1 else y[:, None, :] if self.last else y[:, :, None]

    def fold(self, y: Numbers) -> Numbers:
        """What `unfold` gave, with an axis of quantiles at its end or without, as it was before; a view."""
        if self.axes == 3:
            return y
        return y[:, 0, 0] if self.axes == 1 else y[:, 0] if self.last else y[:, :, 0]


@dataclass(frozen=True, eq=False)
class Scaling:
    """The mean and the standard deviation of each of C numbers. mean, scale: (C,) float64; scale is above 0."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def scaled(self, numbers: Numbers) -> NDArray[np.float64]:
        """(..., C) with mean 0 and deviation 1; NaN stays."""
        return (numbers - self.mean) / self.scale

    def to_arrays(self, name: str) -> dict[str, NDArray[np.float64]]:
        """The arrays, by their names in files."""
        return {f"arrays.{name}_mean": self.mean, f"arrays.{name}_scale": self.scale}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """What `to_arrays` gave, of `width` numbers. Raises DataError for anything else."""
        found = [arrays.get(f"arrays.{name}_{part}", np.zeros(0)) for part in ("mean", "scale")]
        mean, scale = (np.array(array) for array in found)
        good = all(array.shape == (width,) and array.dtype.kind == "f" for array in (mean, scale))
        if not good or not np.isfinite(mean).all() or not (np.isfinite(scale) & (scale > 0)).all():
            raise DataError(f"arrays: expected a mean and a deviation of {width} numbers of {name}")
        return cls(mean.astype(np.float64), scale.astype(np.float64))


def known_sequences(y: Numbers) -> NDArray[np.bool_]:
    """(N,), whether a sequence of targets (N, T, K) has one that is not NaN."""
    found = np.zeros(len(y), np.bool_)
    for first, block in _blocks(y):
        found[first : first + len(block)] = ~np.isnan(block).all(axis=(1, 2))
    return found


def scaling_of(name: str, numbers: Numbers, chosen: NDArray[np.bool_]) -> tuple[Scaling, NDArray[np.int64]]:
    """The scaling of numbers (N, T, C) over the chosen sequences, without those that are NaN, and how many those are.

    chosen: (N,). What never changes has the scale 1. Raises UsageError for an infinite number in any sequence.
    """
    width = numbers.shape[2]
    count, mean, square = np.zeros(width), np.zeros(width), np.zeros(width)
    for first, block in _blocks(numbers):
        _refuse_infinite(name, block, first)
        rows = block[chosen[first : first + len(block)]].reshape(-1, width)
        known = ~np.isnan(rows)
        new = known.sum(axis=0)
        total = np.maximum(count + new, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            middle = np.where(known, rows, 0).sum(axis=0) / np.maximum(new, 1)
            apart = np.where(known, rows - middle, 0)
            step = middle - mean
            square += (apart * apart).sum(axis=0) + step * step * count * new / total
            mean += step * new / total
        count += new
    with np.errstate(invalid="ignore"):
        scale = np.sqrt(square / np.maximum(count, 1))
    if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
        raise UsageError(f"{name}: its numbers are too large to be squared; divide them by a large one")
    scale = np.where(scale > _SAME * np.abs(mean), scale, 1.0)
    return Scaling(mean, scale), count.astype(np.int64)


def expect_finite(name: str, numbers: Numbers) -> None:
    """Raises UsageError, which says where, for an infinite number among (N, T, C)."""
    for first, block in _blocks(numbers):
        _refuse_infinite(name, block, first)


def _blocks(numbers: Numbers) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Some sequences at a time as float64, each with the number of the first."""
    several = max(1, _BLOCK // (numbers.shape[1] * numbers.shape[2]))
    for first in range(0, len(numbers), several):
        yield first, np.asarray(numbers[first : first + several], np.float64)


def _refuse_infinite(name: str, block: NDArray[np.float64], first: int) -> None:
    infinite = np.isinf(block)
    if infinite.any():
        sequence, step, column = np.argwhere(infinite)[0].tolist()
        value = block[sequence, step, column]
        place = f"sequence {first + sequence}, step {step}, number {column}"
        raise UsageError(f"{name}: {place} is {value}; expected finite numbers, or NaN where one is missing")
