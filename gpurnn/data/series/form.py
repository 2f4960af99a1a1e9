"""How the times and numbers of a table are written: what is found out once, kept, and asked for where it cannot be."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from gpurnn.data.series.dates import ORDERS, UNITS
from gpurnn.data.series.durations import LONGEST
from gpurnn.data.series.numbers import DECIMALS
from gpurnn.exceptions import DataError

DELIMITERS = (",", ";", "\t", "|")
_LATER = {"names", "phase"}
"""What forms of before did not have."""
_ALLOWED: dict[str, tuple[Any, ...]] = {
    "delimiter": DELIMITERS,
    "decimal": (None, *DECIMALS),
    "order": (None, *ORDERS),
    "digits": (None, "date", *UNITS),
    "zone": (None, False, True),
}


@dataclass(frozen=True)
class Form:
    """How a table is written. None: what no cell has shown yet; a cell that does decides it.

    delimiter: one of DELIMITERS; with a tab there is no quoting. decimal: "point" or "comma". order: what comes first
    in dates of three numbers, "day", "month" or "year". digits: what times of digits alone are, "date" or seconds
    "s", "ms", "us" or "ns" since 1970. zone: whether times have a zone; those that have none are taken as they stand.
    missing: what stands for a missing number besides the usual names. header: whether the first row names the columns.
    encoding: of the text. names: of all columns, so that a table can be read that goes on without its header; none
    where they are many. phase: where only rows on a coarser grid than the table's are used, how many seconds these come
    after whole multiples of their interval. Raises DataError for anything else.
    """

    delimiter: str = ","
    decimal: str | None = None
    order: str | None = None
    digits: str | None = None
    zone: bool | None = None
    missing: tuple[str, ...] = ()
    header: bool = True
    encoding: str = "utf-8"
    names: tuple[str, ...] = ()
    phase: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            value = getattr(self, name)
            if not any(value is each or (type(value) is str and value == each) for each in allowed):
                raise DataError(f"form of a table: {name} is {value!r:.40}, expected one of {allowed}")
        if not isinstance(self.header, bool) or not isinstance(self.encoding, str):
            raise DataError("form of a table: header or encoding is not what it has to be")
        if self.phase is not None and (type(self.phase) is not int or not 0 <= self.phase <= LONGEST):
            raise DataError(f"form of a table: phase is {self.phase!r:.40}, expected seconds")
        for name in ("missing", "names"):
            texts = getattr(self, name)
            if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
                raise DataError(f"form of a table: {name}: expected texts")
            object.__setattr__(self, name, tuple(texts))

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary of JSON values."""
        return asdict(self) | {"missing": list(self.missing), "names": list(self.names)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The form that `to_json` described; DataError when it is not one."""
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or not names - _LATER <= set(data) <= names:
            raise DataError(f"form of a table: expected the fields {', '.join(sorted(names))}")
        return cls(**data)

    def __str__(self) -> str:
        """For people: "; between cells, decimal comma, day first, no time zone"."""
        said = [f"{'tab' if self.delimiter == chr(9) else self.delimiter} between cells"]
        if self.decimal == "comma":
            said.append("decimal comma")
        if self.order is not None:
            said.append(f"dates with the {self.order} first")
        if self.digits is not None:
            said.append("times YYYYMMDD" if self.digits == "date" else f"times in {self.digits} since 1970")
        elif self.zone is not None:
            said.append("times with their zone" if self.zone else "times without a zone")
        return ", ".join(said)
