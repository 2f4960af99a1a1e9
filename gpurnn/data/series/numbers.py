"""Reads the numbers of a table's columns, quickly; and says whether commas or points are their decimals."""

import math
import re
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.digits import plain_numbers

MISSING = frozenset(
    ("", "-", "--", "---", "?", ".", "..", "...", "na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "none", "nil")
)
"""What stands for a missing number, in small letters."""
DECIMALS = {"point": ".", "comma": ","}
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_GROUPS = {
    "point": re.compile(r"[+-]?[1-9]\d{0,2}(?:([, '’\u00a0\u202f])\d{3})(?:\1\d{3})*(?:\.\d*)?", re.ASCII),
    "comma": re.compile(r"[+-]?[1-9]\d{0,2}(?:([. '’\u00a0\u202f])\d{3})(?:\1\d{3})*(?:,\d*)?", re.ASCII),
}
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
LARGEST = float(np.finfo(np.float32).max)


class NoNumber(ValueError):
    """A text that is no number; the message is the reason. index: which of the cells it is."""

    def __init__(self, reason: str, index: int = 0) -> None:
        super().__init__(reason)
        self.index = index


def decimal_of(cell: str, *, commas_divide: bool) -> str | None:
    """Which decimal a cell shows: "point", "comma", "either" where it can have both, None where it has none of them.

    commas_divide: whether commas divide the cells of the table, so that one number with a point is one.
    """
    text = cell.strip()
    if "." not in text and "," not in text:
        return None
    if _EITHER.fullmatch(text):
        return "point" if commas_divide and "." in text else "either"
    if _is_number(text, "point"):
        return "point"
    return "comma" if _is_number(text, "comma") else None


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number, whatever its decimal."""
    text = cell.strip()
    return _is_number(text, "point") or _is_number(text, "comma") or _INFINITE.fullmatch(text) is not None


def _is_number(text: str, decimal: str) -> bool:
    swapped = text.replace(",", ".") if decimal == "comma" and "." not in text else text
    if decimal == "comma" and swapped is text and "." in text:
        return _GROUPS[decimal].fullmatch(text) is not None
    return _PLAIN.fullmatch(swapped) is not None or _GROUPS[decimal].fullmatch(text) is not None


class Numbers:
    """Turns cells into float64, NaN where a number is missing.

    decimal: "point", "comma", or None where no cell has shown one yet.
    missing: what else stands for a missing number; one that is a number itself, "-999", stands for its value.
    """

    def __init__(self, decimal: str | None, missing: Collection[str], *, commas_divide: bool) -> None:
        self.decimal = decimal
        self._commas_divide = commas_divide
        extra = {name.strip().lower() for name in missing}
        codes = (name.replace(",", ".") for name in extra)
        self._codes = {float(code) for code in codes if _PLAIN.fullmatch(code)}
        self._names = MISSING | extra
        self._usual = {form(name) for name in self._names for form in (str, str.upper, str.title)} | {"NaN"}

    def is_missing(self, cell: str) -> bool:
        """Whether a cell stands for a missing number by its text."""
        return cell in self._usual or cell.strip().lower() in self._names

    def column(self, cells: Sequence[str]) -> NDArray[np.float64]:
        """The numbers of the cells, (n,) float64. Raises NoNumber."""
        if not cells:
            return np.zeros(0)
        joined = "".join(cells)
        if not joined.isascii() or "_" in joined or "\0" in joined:  # which Python would take for digits or skip
            return self._one_by_one(cells)
        if self.decimal is None and ("." in joined or "," in joined):
            self._decide(cells)
        plain = plain_numbers(cells, "," if self.decimal == "comma" else ".")
        if plain is None:
            values = self._floats(cells)
        else:
            values, read = plain
            rest = np.flatnonzero(~read).tolist()
            if len(rest):
                try:
                    values[rest] = self._floats([cells[index] for index in rest])
                except NoNumber as error:
                    raise NoNumber(str(error), rest[error.index]) from None
        for code in self._codes:
            values[values == code] = math.nan
        return values

    def one(self, cell: str) -> float:
        """The number of one cell. Raises NoNumber."""
        text = cell.strip().replace("\u2212", "-")
        if text.lower() in self._names:
            return math.nan
        if self.decimal is None:
            self._decide((cell,))
        value = self._value(text)
        if value in self._codes:
            return math.nan
        if abs(value) > LARGEST:
            raise NoNumber("is larger than a number of 32 bits can be")
        return value

    def _value(self, text: str) -> float:
        decimal = self.decimal or "point"
        if decimal == "point":
            plain = text
        elif "." in text:
            plain = "" if not _GROUPS[decimal].fullmatch(text) else text.replace(".", "").replace(",", ".")
        else:
            plain = text.replace(",", ".")
        if _PLAIN.fullmatch(plain):
            return float(plain)
        if match := _GROUPS[decimal].fullmatch(text):
            return float(text.replace(match[1], "").replace(",", "."))
        if _INFINITE.fullmatch(text):
            raise NoNumber("is infinite")
        if _is_number(text, "comma") or _is_number(text, "point"):
            raise NoNumber(f"is no number with a decimal {decimal}, as others have; write all alike")
        raise NoNumber("is no number")

    def _decide(self, cells: Sequence[str]) -> None:
        """Takes the decimal from these cells, the first ones that show any."""
        doubtful = None
        for index, cell in enumerate(cells):
            found = decimal_of(cell, commas_divide=self._commas_divide)
            if found in DECIMALS:
                self.decimal = found
                return
            doubtful = index if doubtful is None and found == "either" else doubtful
        if doubtful is not None:
            raise NoNumber(
                "has a decimal or a thousands separator, nothing says which; give `decimal=point` or `decimal=comma`",
                doubtful,
            )

    def _floats(self, cells: Sequence[str]) -> NDArray[np.float64]:
        if self.decimal == "comma":
            return self._one_by_one(cells)
        usual = self._usual
        try:
            values = np.array([math.nan if cell in usual else float(cell) for cell in cells], np.float64)
        except ValueError:
            return self._one_by_one(cells)
        with np.errstate(invalid="ignore"):
            large = np.abs(values) > LARGEST
        return self._one_by_one(cells) if large.any() else values

    def _one_by_one(self, cells: Sequence[str]) -> NDArray[np.float64]:
        values = np.empty(len(cells), np.float64)
        for index, cell in enumerate(cells):
            try:
                values[index] = self.one(cell)
            except NoNumber as error:
                raise NoNumber(str(error), index) from None
        return values
