"""What a stream hands out, and how one window of it is made."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.plan import Planner
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.weights import TargetWeights
from gpurnn.exceptions import DataError
from gpurnn.fields import Field, Sizes
from gpurnn.settings import check_fields

KEEP = 3
"""The arrays of a window stay as they are until so many more windows were taken."""
AHEAD = 2
"""Windows that the prefetch thread may be ahead."""

Int32Array = NDArray[np.int32]
Float32Array = NDArray[np.float32]


_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a stream goes on: how many windows were consumed, and the geometry for which that number means a place."""

    window: int
    lanes: int
    steps: int
    tokens: int

    def to_json(self) -> dict[str, int]:
        """The fields as a dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """The cursor that `to_json` described; DataError when it is not one."""
        names = ("window", "lanes", "steps", "tokens")
        if not isinstance(fields, dict) or set(fields) != set(names):
            raise DataError(f"cursor: expected the fields {', '.join(names)}")
        for name in names:
            if type(fields[name]) is not int or not 0 <= fields[name] < 2**62:
                raise DataError(f"cursor: {name} is {str(fields[name])[:40]}, expected a whole number")
        return cls(**fields)


class Plan(NamedTuple):
    """In which order the gradient of a row gather is summed: an index field's positions, sorted by row.

    order: (t*B,) int32, the stable order of its numbers. starts, rows: (n,) int32, where each number's run begins in
    that order, and which number it is.
    """

    order: Int32Array
    starts: Int32Array
    rows: Int32Array


@dataclass(frozen=True, slots=True, init=False)
class Window:
    """What one step of training sees: t steps of B lanes, t at most T; all arrays C-contiguous and read only.

    index: windows consumed before this one since the run's beginning. epoch: 0 for the first.
    carry: (t, B) float32, 0 where the input is a document's first token or the lane begins its epoch or begins anew,
    else 1.
    weight: (t, B) float32, 0 where the target is a document's first token (and for targets that another lane
    counts, in the tail of an evaluation), else 1. weight_sum: the sum of weight.
    has_boundary: whether a carry is 0. uniform: whether every weight is 1.
    cursor: where the stream goes on after this window.
    fields: by name, what else it has of each step: (t, B) or (t, B, F), int32 or real; each is an attribute, too. What
    it has of each step of a source is (s, B, ...), what it has of each sequence (N, ...).
    Windows of text have tokens and targets; targets[i, b] follows tokens[i, b] in the text.
    plans: of index fields by name; none in a stream without plan.

    The arrays are the window's own, but where `WindowStream.recycled` gave it: then they are the stream's, and stay as
    they are until three more windows were taken.
    """

    index: int
    epoch: int
    carry: Float32Array
    weight: Float32Array
    has_boundary: bool
    uniform: bool
    weight_sum: float
    cursor: Cursor
    fields: Mapping[str, NDArray[Any]]
    plans: Mapping[str, Plan]

    def __init__(
        self,
        index: int,
        epoch: int,
        *,
        carry: Float32Array,
        weight: Float32Array,
        has_boundary: bool,
        uniform: bool,
        weight_sum: float,
        cursor: Cursor,
        fields: Mapping[str, NDArray[Any]] | None = None,
        plans: Mapping[str, Plan] | None = None,
        **arrays: NDArray[Any] | None,
    ) -> None:
        """arrays: fields by name, beside or instead of those in `fields`; None: left out."""
        put = object.__setattr__
        put(self, "index", index)
        put(self, "epoch", epoch)
        put(self, "carry", carry)
        put(self, "weight", weight)
        put(self, "has_boundary", has_boundary)
        put(self, "uniform", uniform)
        put(self, "weight_sum", weight_sum)
        put(self, "cursor", cursor)
        fields = {} if fields is None else fields
        if arrays:
            fields = {**fields, **{name: array for name, array in arrays.items() if array is not None}}
        put(self, "fields", fields)
        put(self, "plans", {} if plans is None else plans)

    def __getattr__(self, name: str) -> NDArray[Any]:
        """A field's array by its name."""
        if name == "fields" or name not in self.fields:  # the first: not yet made
            raise AttributeError(f"a window has no {name}")
        return self.fields[name]

    def copy(self) -> Self:
        """The same window with arrays of its own, read only too."""
        return replace(
            self,
            carry=_closed(self.carry.copy()),
            weight=_closed(self.weight.copy()),
            fields={name: _closed(array.copy()) for name, array in self.fields.items()},
            plans={name: Plan(*(_closed(array.copy()) for array in plan)) for name, plan in self.plans.items()},
        )


@dataclass(frozen=True)
class Geometry:
    """How N tokens are laid out in lanes: lane b reads the targets b*S + 1 .. (b+1)*S, S = floor((N-1)/B).

    Of series there is a target of each row, so that N is one more than there are rows.
    source, sequences: how many steps of a source, and sequences, every window has; 0: none of its fields is of these.
    labels: of the longest string of labels that a window may have; 0: as many as there are steps.

    Raises DataError when the lanes or steps do not fit; the message names the largest that do. UsageError for what is
    no whole number.
    """

    tokens: int
    lanes: int
    steps: int
    tail: bool = False
    source: int = 0
    sequences: int = 0
    labels: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        targets = self.tokens - 1
        if targets < 1:
            raise DataError(f"a stream needs at least 2 tokens, this split has {self.tokens}")
        if self.lanes < 1 or self.steps < 1:
            raise DataError(f"lanes and steps must be at least 1, found {self.lanes} and {self.steps}")
        if self.lanes > targets:
            raise DataError(f"{self.lanes} lanes do not fit {self.tokens} tokens; the most that fit are {targets}")
        if self.steps > self.lane:
            lanes = targets // self.steps
            raise DataError(
                f"a window of {self.steps} steps is longer than a lane, which has {self.lane} of {targets} targets; "
                f"use at most {self.lane} steps (`bptt`)" + (f", or at most {lanes} lanes (`lanes`)" if lanes else "")
            )

    @property
    def sizes(self) -> Sizes:
        """Those of a full window."""
        return Sizes(self.lanes, self.steps, self.source, self.sequences, self.labels)

    @property
    def lane(self) -> int:
        """S, the targets of a lane."""
        return (self.tokens - 1) // self.lanes

    @property
    def rest(self) -> int:
        """Targets after the last lane's end, fewer than there are lanes."""
        return self.tokens - 1 - self.lanes * self.lane

    @property
    def windows(self) -> int:
        """Windows of an epoch; the tail has its own."""
        return -(-self.lane // self.steps) + (-(-self.rest // self.steps) if self.tail else 0)

    def place(self, window: int) -> tuple[int, int, bool]:
        """Offset of a window of an epoch in its lane, its steps, and whether it belongs to the tail."""
        body = -(-self.lane // self.steps)
        if window < body:
            return window * self.steps, min(self.steps, self.lane - window * self.steps), False
        done = (window - body) * self.steps
        return self.lane + done, min(self.steps, self.rest - done), True


def _closed(array: NDArray[_T]) -> NDArray[_T]:
    """The array itself, read only from now on; other views of its memory stay as they are."""
    array.flags.writeable = False
    return array


class Slot:
    """The arrays of one window of up to these sizes; every window of the ring has its own.

    fields: what a window has. real: the dtype of carry, weight and real fields.
    """

    def __init__(self, fields: Iterable[Field], sizes: Sizes, real: Any = np.float32) -> None:
        counts = {field: sizes.count(field.per) for field in fields}
        self.carry, self.weight = (np.zeros(sizes.count("step"), real) for _ in range(2))
        self.arrays: dict[str, NDArray[Any]] = {
            field.name: np.zeros(field.shape(count), np.int32 if field.kind == "index" else real)
            for field, count in counts.items()
        }
        self._per = {field.name: field.per for field in counts}
        self._plans = {
            field.name: Plan(*(np.zeros(count, np.int32) for _ in range(3)))
            for field, count in counts.items()
            if field.planned
        }

    def fields(self, sizes: Sizes) -> dict[str, NDArray[Any]]:
        """The arrays of its fields in a window of these sizes: (t, B, ...), (s, B, ...) or (n, ...)."""
        return {name: _leading(array, sizes.leading(self._per[name])) for name, array in self.arrays.items()}

    def plans(self, sizes: Sizes, planner: Planner | None) -> dict[str, Plan]:
        """The plans of a window of these sizes, of each field that has one. planner: None where none has."""
        plans: dict[str, Plan] = {}
        for name, (order, starts, rows) in self._plans.items():
            assert planner is not None
            size = sizes.count(self._per[name])
            runs = planner.plan(self.arrays[name][:size], order[:size], starts, rows)
            plans[name] = Plan(_closed(order[:size]), _closed(starts[:runs]), _closed(rows[:runs]))
        return plans


def planner_for(fields: Iterable[Field], sizes: Sizes) -> Planner | None:
    """What plans windows of up to these sizes; None where no field has a plan."""
    planned = [sizes.count(field.per) for field in fields if field.planned]
    return Planner(max(planned)) if planned else None


class WindowMaker(ABC):
    """Fills slots with windows of fields; owns the buffers, used by one thread at a time.

    weights: (K,) what the weight of a step is multiplied by, by its target, a whole number; None: nothing.
    """

    def __init__(
        self,
        geometry: Geometry,
        fields: Iterable[Field],
        restarts: Restarts,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        self.geometry = geometry
        self._restarts = restarts
        self.fields = tuple(fields)
        self._planner = planner_for(self.fields, geometry.sizes)
        self._slots = [Slot(self.fields, geometry.sizes) for _ in range(KEEP + 1 + AHEAD)]
        self._weights = None if weights is None else TargetWeights(weights, geometry.lanes * geometry.steps)

    @abstractmethod
    def fill(self, window: Mapping[str, NDArray[Any]], offset: int) -> bool:
        """Overwrite the arrays of a window, fields, carry and weight, with the steps from `offset` on.

        window: by name, (t, B, ...), (s, B, ...) of what it has of a source, (N, ...) of what it has of sequences.
        offset: of the first step in every lane. Returns whether a carry or a weight may be other than 1.
        """

    def make(self, index: int) -> Window:
        """Window number `index` of the run, in the slot that is its turn."""
        g, slot = self.geometry, self._slots[index % len(self._slots)]
        epoch, number = divmod(index, g.windows)
        offset, steps, tail = g.place(number)
        sizes, size = g.sizes._replace(steps=steps), steps * g.lanes
        arrays = slot.fields(sizes)
        carry, weight = (_leading(array, (steps, g.lanes)) for array in (slot.carry, slot.weight))
        boundary = self.fill({**arrays, "carry": carry, "weight": weight}, offset)
        begins = offset == 0
        if begins:
            carry[0] = 0
        else:
            begins = self._restarts.cut(index, carry[0])
        if tail:
            weight[:, :-1] = 0
        total: float = int(np.count_nonzero(weight)) if boundary or tail else size
        uniform = total == size and self._weights is None
        if self._weights is not None:
            total = self._weights.apply(weight, arrays["targets"])
        for array in arrays.values():
            _closed(array)
        return Window(
            index,
            epoch,
            carry=_closed(carry),
            weight=_closed(weight),
            has_boundary=begins or (boundary and int(np.count_nonzero(carry)) < size),
            uniform=uniform,
            weight_sum=float(total),
            cursor=Cursor(index + 1, g.lanes, g.steps, g.tokens),
            fields=arrays,
            plans=slot.plans(sizes, self._planner),
        )


def _leading(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The first of a slot's array, with these first axes."""
    return array[: math.prod(shape)].reshape(*shape, *array.shape[1:])
