"""How many lanes and steps windows have where that was not said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gpurnn.training.config import TrainConfig

_WINDOWS_PER_LANE = 16  # a lane shorter than this many windows gives too few updates an epoch


def fitting_geometry(
    tokens: int, lanes: int | None = None, bptt: int | None = None, defaults: Mapping[str, Any] = MappingProxyType({})
) -> tuple[int, int]:
    """lanes and bptt for so many train tokens: what is given, and for None the default or as much as the text allows.

    The default of lanes is halved until each has enough windows; that of bptt is at most a whole lane. defaults: where
    they are not those of `TrainConfig`.
    """
    wanted = defaults.get("bptt", TrainConfig.bptt) if bptt is None else bptt
    if lanes is None:
        lanes = defaults.get("lanes", TrainConfig.lanes)
        while lanes > 1 and (tokens - 1) // lanes < _WINDOWS_PER_LANE * wanted:
            lanes //= 2
    return lanes, max(1, min(wanted, (tokens - 1) // lanes)) if bptt is None else wanted
