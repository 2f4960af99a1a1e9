"""What part of the data each split has."""

from collections.abc import Iterable, Sequence

from gpurnn.exceptions import UsageError
from gpurnn.settings import checked

Shares = tuple[float, float, float]
"""Of train, valid and test."""


def shares_of(split: Sequence[float] | None, default: Shares) -> Shares:
    """The parts that `split` gives to train, valid and test. Raises UsageError."""
    if split is not None and (isinstance(split, str) or not isinstance(split, Iterable)):
        raise UsageError(f"`split`: expected three fractions for train, valid, test, found {type(split).__name__}")
    parts = tuple(checked("`split`", float, part) for part in (default if split is None else split))
    if len(parts) != 3 or not all(0 <= part <= 1 for part in parts) or abs(sum(parts) - 1) > 1e-6 or parts[0] == 0:
        shown = ",".join(f"{part:g}" for part in parts)
        raise UsageError(f"`split={shown}`: expected three fractions for train, valid, test with the sum 1")
    return parts[0], parts[1], parts[2]
