"""Sequences begin with states that follow from what the encoder has when it has read their source.

Of an encoder in both directions that is what each direction has at its end: x = [h(last step), h'(first step)].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding
from gpurnn.network.sequences import SOURCE_FIRST, SOURCE_LAST, THERE
from gpurnn.network.starts.base import StartPass
from gpurnn.network.starts.projected import Projected, ProjectedPass

_SOURCE = Path(__file__).with_name("encoder.cu")
_ROWS, _OF_EACH, _INDEX = Argument(("BQ", "K")), Argument(("C", "K")), Argument(("C",), "index", below="BQ")


def take_ends(xp: Any, x: Array, e: Array, last: Array, first: Array) -> None:
    """x: (C, K), overwritten: the first half of each row from row `last` of e (BQ, K), the other from row `first`."""
    half = x.shape[1] // 2
    for n in range(len(x)):
        x[n, :half] = e[int(last[n]), :half]
        x[n, half:] = e[int(first[n]), half:]


def add_ends(xp: Any, e: Array, dx: Array, last: Array, first: Array, there: Array) -> None:
    """e: (BQ, K), to whose rows those of dx (C, K) are added where `take_ends` took them. there: (C,), 0: left out."""
    half = dx.shape[1] // 2
    for n in range(len(dx)):
        if there[n] > 0:
            to_last, to_first = e[int(last[n]), :half], e[int(first[n]), half:]
            xp.add(to_last, dx[n, :half], out=to_last)
            xp.add(to_first, dx[n, half:], out=to_first)


TAKE_ENDS = FusedOp(
    "take_ends",
    {"x": Argument(("C", "K"), written=True), "e": _ROWS, "last": _INDEX, "first": _INDEX},
    take_ends,
    source=_SOURCE,
)
ADD_ENDS = FusedOp(
    "add_ends",
    {
        "e": Argument(("BQ", "K"), written=True),
        "dx": _OF_EACH,
        "last": _INDEX,
        "first": _INDEX,
        "there": Argument(("C",)),
    },
    add_ends,
    source=_SOURCE,
)


class FromEncoder(Projected):
    """x is what the encoder's last layer has at the end of the sequence's source."""

    def __init__(self, config: ModelConfig, name: str, states: Mapping[str, int]) -> None:
        """Raises UsageError where there is no encoder."""
        if not config.source:
            raise UsageError("source: expected at least 1 symbol for the start encoder, found 0")
        super().__init__(config, "encoder", name, states, config.encoded_width)
        self.fields = (*super().fields, SOURCE_FIRST, SOURCE_LAST)
        self.both = config.encodes_both

    def bind(self, to: Binding) -> StartPass:
        return _FromEncoderPass(self, to)


class _FromEncoderPass(ProjectedPass):
    def __init__(self, start: FromEncoder, to: Binding) -> None:
        assert to.encoded is not None
        self._encoded, self._x = to.encoded, to.empty(to.sequences, start.width)
        super().__init__(start, to, self._x, wants_error=True)
        dims = {"B": to.lanes, "C": to.sequences, "K": start.width, "Q": to.source}
        self._take, self._add = (to.be.bind(op, to.real, **dims) for op in (TAKE_ENDS, ADD_ENDS))
        last, first = (self._arrays[field.name] for field in (SOURCE_LAST, SOURCE_FIRST))
        self._ends = (last, first if start.both else last)

    def encode(self, batch: Batch) -> None:
        self._take(self._x, self._encoded.value, *self._ends)
        super().encode(batch)

    def backward(self, batch: Batch) -> None:
        super().backward(batch)
        self._add(self._encoded.error, self.dx, *self._ends, self._arrays[THERE.name])
