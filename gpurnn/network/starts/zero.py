"""Sequences begin with states of zeros."""

from __future__ import annotations

from collections.abc import Mapping

from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Named
from gpurnn.network.starts.base import Start, StartPass


class Zero(Start):
    """start(t) = 0."""

    def __init__(self, config: ModelConfig, name: str, states: Mapping[str, int]) -> None:
        super().__init__("zero", name, states)

    def bind(self, to: Binding) -> StartPass | None:
        return None

    def first(self, value: Named) -> Named:
        return {}
