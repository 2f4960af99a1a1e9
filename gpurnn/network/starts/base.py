"""What a start is: where carry is 0, a step sees it instead of the states before, and its error goes there.

seen(t) = carry(t) state(t-1) + (1 - carry(t)) start(t)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from gpurnn.network.batch import Batch
from gpurnn.network.part import Binding, Declared, Named


class StartPass:
    """What a start does in each window of a workspace.

    values: by state name, arrays that broadcast to (T, B, H): start(t) of each lane.
    errors: by state name, (T, B, H), ∂J/∂start(t), 0 where carry is 1; the layer writes them in a window in which some
    carry is 0.
    """

    def __init__(self, values: Named, errors: Named) -> None:
        self.values, self.errors = values, errors

    def encode(self, batch: Batch) -> None:
        """See `Pass.encode`."""

    def forward(self, batch: Batch) -> None:
        """Its values, where they depend on the window."""

    def backward(self, batch: Batch) -> None:
        """Its gradients, overwritten. In a window without a boundary they are 0, and its errors were not written."""

    def gradients_at(self, t: int, batch: Batch, gradient: Named) -> None:
        """gradient: each of its parameters' (∂J/∂θ)(t), overwritten."""


class Start(Declared, ABC):
    """The start of one layer. states: widths of the layer's states by name."""

    def __init__(self, kind: str, name: str, states: Mapping[str, int]) -> None:
        self.kind, self.name, self.states = kind, name, states

    @abstractmethod
    def bind(self, to: Binding) -> StartPass | None:
        """What it does in a workspace. None: it is zero, and no error is kept."""

    @abstractmethod
    def first(self, value: Named) -> Named:
        """See `Part.first`. A start that follows from what belongs to a sequence names no state."""
