"""What part of the data each split has."""

from collections.abc import Iterable, Sequence

from gpurnn.exceptions import UsageError
from gpurnn.settings import checked

Shares = tuple[float, float, float]
"""Of train, valid and test."""
USUAL: Shares = (0.9, 0.05, 0.05)


def shares_of(split: Sequence[float] | None, *, files: bool, usual: Shares = USUAL) -> Shares | None:
    """The parts that `split` gives to train, valid and test; None where valid and test come from files.

    usual: those without `split`. Raises UsageError, also where both are given.
    """
    if files:
        if split is not None:
            raise UsageError("`split` contradicts `valid` and `test`; give fractions or files")
        return None
    if split is None:
        return usual
    if isinstance(split, str) or not isinstance(split, Iterable):
        raise UsageError(f"`split`: expected three fractions for train, valid, test, found {type(split).__name__}")
    parts = tuple(checked("`split`", float, part) for part in split)
    if len(parts) != 3 or not all(0 <= part <= 1 for part in parts) or abs(sum(parts) - 1) > 1e-6 or parts[0] == 0:
        shown = ",".join(f"{part:g}" for part in parts)
        raise UsageError(f"`split={shown}`: expected three fractions for train, valid, test with the sum 1")
    return parts[0], parts[1], parts[2]
