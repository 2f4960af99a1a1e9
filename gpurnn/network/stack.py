"""The parts from an input up through all layers, as a network and an encoder in it have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gpurnn.exceptions import UsageError
from gpurnn.network.config import ModelConfig
from gpurnn.network.inputs import INPUTS
from gpurnn.network.layers import LAYERS
from gpurnn.network.part import Part


def stacked(config: ModelConfig) -> list[Part]:
    """The input, and `layers` times the layers in `stack`."""
    parts: list[Part] = [made("INPUTS", INPUTS, config.input_kind, Part, config)]
    below: Counter[str] = Counter()
    for kind in config.stack * config.layers:
        parts.append(made("LAYERS", LAYERS, kind, Part, config, below[kind], parts[-1].outputs))
        below[kind] += 1
    return parts


def made(table: str, entries: Mapping[str, Any], name: str, expected: type, *arguments: Any) -> Any:
    """What an entry of a table makes; what it raises is its own. Raises UsageError where that is no such part."""
    make = entries[name]
    part = make(*arguments) if callable(make) else make
    if not isinstance(part, expected):
        raise UsageError(
            f"{table}[{name!r}]: expected what makes a {expected.__name__}, it made a {type(part).__name__}"
        )
    for attribute in ("name", "kind", "inputs", "outputs"):
        if not hasattr(part, attribute):
            raise UsageError(f"{table}[{name!r}]: the {type(part).__name__} that it made has no {attribute}")
    return part
