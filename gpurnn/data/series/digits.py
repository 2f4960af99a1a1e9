"""Plain decimal numbers, "-12.5", many at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WIDEST = 18
_MOST_DIGITS = 15  # such a whole number and the powers of ten below are exact, so that their quotient is rounded once
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)


def plain_numbers(cells: Sequence[str], point: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """The numbers of those cells that are digits, perhaps with a minus and a point, as float() reads them.

    point: the character of the decimals. Returns values, (n,) float64, and which of them were read, (n,) bool;
    None where none of the cells could be. All of them have to be ASCII.
    """
    array = np.array(cells, f"S{_WIDEST + 1}")
    width = int(np.char.str_len(array).max(initial=0))
    if not 1 <= width <= _WIDEST:
        return None
    letters = np.ascontiguousarray(array.view(np.uint8).reshape(len(cells), -1)[:, :width].T)
    values = letters - np.uint8(ord("0"))
    is_digit = values < 10
    is_point = letters == ord(point)
    minus = letters[0] == ord("-")
    whole = np.zeros(len(cells), np.int64)
    for row, mask in zip(values, is_digit, strict=True):
        np.copyto(whole, whole * 10 + row, where=mask)
    count = is_digit.sum(axis=0)
    points = is_point.sum(axis=0)
    used = count + points + minus
    good = (count >= 1) & (count <= _MOST_DIGITS) & (points <= 1) & (used == np.char.str_len(array))
    after = np.where(points == 1, used - 1 - np.argmax(is_point, axis=0), 0)
    numbers = whole / _POWERS[np.clip(after, 0, _MOST_DIGITS)]
    np.negative(numbers, where=minus, out=numbers)
    return numbers, good
