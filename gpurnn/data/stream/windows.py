"""What a stream hands out, and how one window is made from the tokens of a split."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.stream.plan import Planner
from gpurnn.data.stream.restarts import Restarts
from gpurnn.exceptions import DataError
from gpurnn.settings import check_fields

KEEP = 3
"""The arrays of a window stay as they are until so many more windows were taken."""
AHEAD = 2
"""Windows that the prefetch thread may be ahead."""
_BLOCK_BYTES = 64 * 1024
_BUFFER_BYTES = 16 * 1024 * 1024

_ARRAYS = ("tokens", "targets", "carry", "weight", "order", "segment_starts", "segment_symbols")

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


@dataclass(frozen=True, slots=True)
class Window:
    """What one step of training sees: t steps of B lanes, t at most T; all arrays C-contiguous and read only.

    index: windows consumed before this one since the run's beginning. epoch: 0 for the first.
    tokens, targets: (t, B) int32; targets[i, b] follows tokens[i, b] in the text.
    carry: (t, B) float32, 0 where the input is a document's first token or the lane begins its epoch or begins anew,
    else 1.
    weight: (t, B) float32, 0 where the target is a document's first token (and for targets that another lane
    counts, in the tail of an evaluation), else 1. weight_sum: the sum of weight.
    has_boundary: whether a carry is 0. uniform: whether every weight is 1.
    order: (t*B,) int32, the stable order of tokens.ravel() by symbol. segment_starts, segment_symbols: (n,) int32,
    where each symbol's tokens begin in that order. None in a stream without plan.
    cursor: where the stream goes on after this window.

    The arrays are the window's own, but where `WindowStream.recycled` gave it: then they are the stream's, and stay as
    they are until three more windows were taken.
    """

    index: int
    epoch: int
    tokens: Int32Array
    targets: Int32Array
    carry: Float32Array
    weight: Float32Array
    has_boundary: bool
    uniform: bool
    weight_sum: float
    order: Int32Array | None
    segment_starts: Int32Array | None
    segment_symbols: Int32Array | None
    cursor: Cursor

    def copy(self) -> Self:
        """The same window with arrays of its own, read only too."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        copies: dict[str, Any] = {name: _closed(a.copy()) for name, a in arrays.items() if a is not None}
        return replace(self, **copies)


@dataclass(frozen=True)
class Geometry:
    """How N tokens are laid out in lanes: lane b reads the targets b*S + 1 .. (b+1)*S, S = floor((N-1)/B).

    Raises DataError when the lanes or steps do not fit; the message names the largest that do. UsageError for what is
    no whole number.
    """

    tokens: int
    lanes: int
    steps: int
    tail: bool = False

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


class _Slot:
    """The arrays of one window of the ring."""

    def __init__(self, lanes: int, steps: int, plan: bool) -> None:
        size = lanes * steps
        self.tokens, self.targets = np.zeros(size, np.int32), np.zeros(size, np.int32)
        self.carry, self.weight = np.zeros(size, np.float32), np.zeros(size, np.float32)
        planned = size if plan else 0
        self.order = np.zeros(planned, np.int32)
        self.starts, self.symbols = np.zeros(planned, np.int32), np.zeros(planned, np.int32)


class _LaneBuffer:
    """A host buffer of lanes x (block + 1) tokens that moves over the lanes in step, one contiguous read a lane."""

    def __init__(self, split: Split, geometry: Geometry) -> None:
        self._split = split
        self._geometry = geometry
        size = split.dtype.itemsize
        fair = min(_BLOCK_BYTES, _BUFFER_BYTES // geometry.lanes) // size
        self.block = min(max(fair, geometry.steps), geometry.lane + geometry.rest)
        self.tokens = np.zeros((geometry.lanes, self.block + 1), split.dtype)
        self.first = np.zeros((geometry.lanes, self.block + 1), np.uint8)
        self._boundary = np.zeros(self.block + 1, np.uint8)
        self._begin = self._end = 0

    def seek(self, offset: int, steps: int) -> int:
        """Makes available the inputs offset .. offset + steps of every lane and their targets; returns their column."""
        if not self._begin <= offset or offset + steps > self._end:
            g = self._geometry
            limit = g.lane + (g.rest if g.tail else 0)
            self._begin, self._end = offset, min(offset + self.block, limit)
            count = self._end - self._begin + 1
            documents = self._split.documents
            for lane in range(g.lanes):
                start = lane * g.lane + offset
                self._split.read(start, self.tokens[lane, :count])
                documents.mark(start, self.first[lane, :count])
            np.maximum.reduce(self.first, axis=0, out=self._boundary)
        return offset - self._begin

    def has_first(self, column: int, count: int) -> bool:
        """Whether a document begins in these columns of any lane."""
        return bool(self._boundary[column : column + count].any())


class WindowMaker:
    """Fills slots with windows; owns the buffers, used by one thread at a time."""

    def __init__(self, split: Split, geometry: Geometry, plan: bool, restarts: Restarts) -> None:
        self.geometry = geometry
        self._restarts = restarts
        self._buffer = _LaneBuffer(split, geometry)
        self._planner = Planner(geometry.lanes * geometry.steps) if plan else None
        self._slots = [_Slot(geometry.lanes, geometry.steps, plan) for _ in range(KEEP + 1 + AHEAD)]

    def make(self, index: int) -> Window:
        """Window number `index` of the run, in the slot that is its turn."""
        g, slot = self.geometry, self._slots[index % len(self._slots)]
        epoch, number = divmod(index, g.windows)
        offset, steps, tail = g.place(number)
        shape, size = (steps, g.lanes), steps * g.lanes
        tokens, targets = slot.tokens[:size].reshape(shape), slot.targets[:size].reshape(shape)
        carry, weight = slot.carry[:size].reshape(shape), slot.weight[:size].reshape(shape)
        column = self._buffer.seek(offset, steps)
        source = self._buffer.tokens
        np.copyto(tokens, source[:, column : column + steps].T, casting="unsafe")
        np.copyto(targets, source[:, column + 1 : column + 1 + steps].T, casting="unsafe")
        boundary = self._fill_masks(carry, weight, column, steps)
        begins = offset == 0
        if begins:
            carry[0] = 0
        else:
            begins = self._restarts.cut(index, carry[0])
        if tail:
            weight[:, :-1] = 0
        total = int(np.count_nonzero(weight)) if boundary or tail else size
        segments = 0
        if self._planner is not None:
            segments = self._planner.plan(slot.tokens[:size], slot.order[:size], slot.starts, slot.symbols)
        return Window(
            index=index,
            epoch=epoch,
            tokens=_closed(tokens),
            targets=_closed(targets),
            carry=_closed(carry),
            weight=_closed(weight),
            has_boundary=begins or (boundary and int(np.count_nonzero(carry)) < size),
            uniform=total == size,
            weight_sum=float(total),
            order=_closed(slot.order[:size]) if segments else None,
            segment_starts=_closed(slot.starts[:segments]) if segments else None,
            segment_symbols=_closed(slot.symbols[:segments]) if segments else None,
            cursor=Cursor(index + 1, g.lanes, g.steps, g.tokens),
        )

    def _fill_masks(self, carry: Float32Array, weight: Float32Array, column: int, steps: int) -> bool:
        if not self._buffer.has_first(column, steps + 1):
            carry.fill(1)
            weight.fill(1)
            return False
        one = np.float32(1)
        for mask, begin in ((carry, column), (weight, column + 1)):
            np.copyto(mask, self._buffer.first[:, begin : begin + steps].T)
            np.subtract(one, mask, out=mask)
        return True
