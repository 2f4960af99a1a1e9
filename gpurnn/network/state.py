"""The state that is carried from window to window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.network.part import Part
from gpurnn.settings import Count, checked


class StateKind(NamedTuple):
    """What a carried state depends on. parts: of each that carries one its kind, and the widths of its states."""

    parts: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    dtype: str
    lanes: int
    device: str

    @classmethod
    def of(cls, be: Backend, parts: Sequence[Part], real: Any, lanes: int) -> StateKind:
        """That of the states of a model with these parts."""
        kinds = tuple((part.kind, tuple(part.states.items())) for part in carrying(parts))
        return cls(kinds, str(np.dtype(real)), lanes, be.device)

    def __str__(self) -> str:
        lanes = f"{self.lanes} lane{'s' * (self.lanes != 1)}"
        return ", ".join((*map(_described, groupby(self.parts)), self.dtype, lanes, f"on {self.device}"))


def _described(alike: tuple[tuple[str, tuple[tuple[str, int], ...]], Any]) -> str:
    """So many parts of one kind, one after the other."""
    (kind, states), group = alike
    widths = {str(width) for _, width in states}
    each = widths.pop() if len(widths) == 1 else " + ".join(f"{name} {width}" for name, width in states)
    return f"{kind}, {len(list(group))} x {each}"


def carrying(parts: Sequence[Part]) -> list[Part]:
    """Those of the parts that carry a state, in their order."""
    return [part for part in parts if part.states]


class State:
    """What each lane carries from window to window: by layer and name ("h", "c"), arrays of (B, H).

    layers: of each part that carries a state. kind: of which models it is a state, and for how many lanes.
    Raises UsageError for lanes that are no whole number from 1 on.
    """

    def __init__(self, be: Backend, parts: Sequence[Part], real: Any, lanes: int) -> None:
        lanes = checked("lanes", Count, lanes)
        self.kind = StateKind.of(be, parts, real, lanes)
        self.layers: tuple[Mapping[str, Array], ...] = tuple(
            MappingProxyType({name: be.zeros((lanes, width), real) for name, width in part.states.items()})
            for part in carrying(parts)
        )

    def named(self) -> dict[str, Array]:
        """The arrays by the names they have in a checkpoint, such as "state.0.h"."""
        return {f"state.{n}.{name}": array for n, layer in enumerate(self.layers) for name, array in layer.items()}

    def reset(self) -> None:
        """Start every lane from zero."""
        for array in self.named().values():
            array.fill(0)


def state_shapes(parts: Sequence[Part], lanes: int) -> dict[str, tuple[int, int]]:
    """The shapes of `State.named`."""
    return {
        f"state.{n}.{name}": (lanes, width)
        for n, part in enumerate(carrying(parts))
        for name, width in part.states.items()
    }
