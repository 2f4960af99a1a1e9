"""Sequences begin with states that follow from a vector, which comes with each."""

from __future__ import annotations

from collections.abc import Mapping

from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding
from gpurnn.network.starts.base import StartPass
from gpurnn.network.starts.projected import Projected, ProjectedPass


class Vector(Projected):
    """x is the field `vectors`, V numbers a sequence."""

    def __init__(self, config: ModelConfig, name: str, states: Mapping[str, int]) -> None:
        """Raises UsageError where vectors have no numbers."""
        if not config.vectors:
            raise UsageError("vectors: expected at least 1 number for the start vector, found 0")
        super().__init__(config, "vector", name, states, config.vectors)
        self._vectors = Field("vectors", "real", config.vectors, per="sequence")
        self.fields = (*super().fields, self._vectors)

    def bind(self, to: Binding) -> StartPass:
        return ProjectedPass(self, to, to.batch.arrays[self._vectors.name], wants_error=False)
