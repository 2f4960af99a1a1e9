"""Fields: what a window has of each step of each lane, or of each sequence.

A stream says which its windows have, a part which it reads.

Besides its fields every window has carry, weight and what follows from them; see `gpurnn.data.stream.Window`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from gpurnn.exceptions import DataError, UsageError
from gpurnn.settings import Natural, checked

KINDS = ("index", "real")
PER = {"step": "a step", "source": "a step of the source", "sequence": "a sequence"}
"""Of what there is one in a window, in words: each step of its lanes, each of their source, or each sequence."""
SOURCE_CARRY = "source_carry"
"""The field that says where a step of the source sees no state of before, as `carry` says it of steps."""
_ANY = 2**31 - 1
_OF_WINDOWS = (
    "index",
    "epoch",
    "carry",
    "weight",
    "has_boundary",
    "uniform",
    "weight_sum",
    "cursor",
    "fields",
    "plans",
)
_OF_BATCHES = (
    "arrays",
    "scale",
    "window",
    "sizes",
    "lanes",
    "most_steps",
    "steps",
    "source_steps",
    "windows",
    "boundary",
    "source_boundary",
)
_TAKEN = {*_OF_WINDOWS, *_OF_BATCHES, "copy", "begin"}


class Sizes(NamedTuple):
    """How much a window has: steps T and source steps S of B lanes, and sequences N; 0 where it has no such fields.

    labels: of the longest string of labels that a window may have; 0: as many as there are steps.
    """

    lanes: int
    steps: int
    source: int = 0
    sequences: int = 0
    labels: int = 0

    @property
    def longest(self) -> int:
        """How many labels a string has at most."""
        return min(self.labels or self.steps, self.steps)

    def leading(self, per: str) -> tuple[int, ...]:
        """The first axes of an array of what there is one of for each `per`: (T, B), (S, B) or (N,)."""
        return {"step": (self.steps, self.lanes), "source": (self.source, self.lanes), "sequence": (self.sequences,)}[
            per
        ]

    def count(self, per: str) -> int:
        """How many there are: T B, S B or N."""
        return {"step": self.steps * self.lanes, "source": self.source * self.lanes, "sequence": self.sequences}[per]


@dataclass(frozen=True)
class Field:
    """One of the arrays of a window.

    name: by which streams, windows, batches and parts know it. kind: "index", whole numbers, or "real".
    width: 0: one number a step; F: F of them. below: of an index, what every number is less than.
    planned: whether rows of a table are taken by it, so that the order in which their gradient is summed has to come
    with the window.
    missing: of real numbers, whether NaN stands for one that is missing; without it every number is finite.
    per: of what there is one, a key of `PER`. among: of an index that says which step (step B + lane) or sequence,
    likewise a key of `PER`, else ""; such an index may be declared without `below`, which is then as many as a window
    has of these.
    Raises UsageError for a declaration that is none.
    """

    name: str
    kind: str
    width: int = 0
    below: int = 0
    planned: bool = False
    missing: bool = False
    per: str = "step"
    among: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier() and not self.name.startswith("_")):
            raise UsageError(f"field {self.name!r:.60}: expected an identifier that does not begin with _")
        if self.name in _TAKEN:
            raise UsageError(f"field {self.name}: windows and batches have something else of that name; use another")
        if self.kind not in KINDS:
            raise UsageError(f"field {self.name}: kind: expected one of {', '.join(KINDS)}, found {self.kind!r}")
        for name in ("width", "below"):
            object.__setattr__(self, name, checked(f"field {self.name}: {name}", Natural, getattr(self, name)))
        if self.per not in PER or self.among not in ("", *PER):
            found = f"{self.per!r:.60} and {self.among!r:.60}"
            raise UsageError(f"field {self.name}: per, among: expected one of {', '.join(PER)}, found {found}")
        if self.among and self.kind == "index" and not self.below:
            object.__setattr__(self, "below", _ANY)
        if (self.below > 0) != (self.kind == "index"):
            raise UsageError(f"field {self.name}: expected a bound for whole numbers and none for others")
        if self.missing and self.kind == "index":
            raise UsageError(f"field {self.name}: only real numbers can be missing")

    def shape(self, *leading: int) -> tuple[int, ...]:
        """The shape of an array of it. leading: its first axes, (T, B), or (T B,)."""
        return (*leading, self.width) if self.width else leading

    def bound(self, sizes: Sizes) -> Field:
        """The same in windows of these sizes."""
        return replace(self, below=min(self.below, sizes.count(self.among))) if self.among else self

    def alike(self, other: Field) -> bool:
        """Whether they are the same but for the plan."""
        return replace(self, planned=other.planned) == other

    def fits(self, read: Field) -> bool:
        """Whether whoever reads `read` can be given this."""
        alike = (self.kind, self.width, self.per) == (read.kind, read.width, read.per)
        return alike and self.below <= read.below and self.missing <= read.missing

    def __str__(self) -> str:
        numbers = f"whole numbers below {self.below}" if self.kind == "index" else "real numbers"
        counted = f"{self.width} {numbers} {PER[self.per]}" if self.width else f"{numbers}, one {PER[self.per]}"
        return f"{counted}, NaN where one is missing" if self.missing else counted


def joined(declared: Iterable[tuple[str, Field]]) -> tuple[Field, ...]:
    """Every field once, in the order in which they are declared first.

    declared: each with the name of the part that reads it. Raises UsageError for one that two parts declare otherwise.
    """
    found: dict[str, tuple[str, Field]] = {}
    for reader, field in declared:
        first, before = found.setdefault(field.name, (reader, field))
        if not field.alike(before):
            raise UsageError(f"field {field.name}: {first} reads {before}; {reader} reads {field}; expected the same")
        found[field.name] = first, replace(before, planned=before.planned or field.planned)
    return tuple(field for _, field in found.values())


def expect_fields(reads: Iterable[tuple[str, Field]], source: str, has: Iterable[Field]) -> None:
    """Raises DataError, which names both, where a part reads a field that a source lacks or has otherwise.

    reads: each field with the name of the part that reads it. source: by name, for the message. has: its fields.
    """
    there = {field.name: field for field in has}
    for reader, field in reads:
        found = there.get(field.name)
        if found is None:
            names = ", ".join(there) or "none"
            raise DataError(f"{source}: it has no field {field.name}, which {reader} reads; its fields are {names}")
        if not found.fits(field):
            raise DataError(f"{source}: field {field.name} has {found}; {reader} reads {field}")
