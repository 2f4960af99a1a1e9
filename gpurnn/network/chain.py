"""The parts of a network in their order, from input to loss, and what has to hold between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from gpurnn.exceptions import UsageError
from gpurnn.fields import Field, joined
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads import HEADS, Head
from gpurnn.network.inputs import INPUTS
from gpurnn.network.layers import LAYERS
from gpurnn.network.params import Spec
from gpurnn.network.part import Part
from gpurnn.network.pools import POOLS


def parts_of(config: ModelConfig) -> tuple[Part, ...]:
    """The parts of a model: its input, `layers` times the layers in `stack`, its pool where it has one, its head.

    Raises UsageError, which names both, where two of them do not go together.
    """
    parts: list[Part] = [_made("INPUTS", INPUTS, config.input_kind, Part, config)]
    below: Counter[str] = Counter()
    for kind in config.stack * config.layers:
        parts.append(_made("LAYERS", LAYERS, kind, Part, config, below[kind], parts[-1].outputs))
        below[kind] += 1
    if config.pool:
        parts.append(_made("POOLS", POOLS, config.pool, Part, config, parts[-1].outputs))
    parts.append(_made("HEADS", HEADS, config.head, Head, config, parts[-1].outputs))
    _check(parts)
    return tuple(parts)


def _made(table: str, entries: Mapping[str, Any], name: str, expected: type, *arguments: Any) -> Any:
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


def _check(parts: Sequence[Part]) -> None:
    first = parts[0]
    if first.inputs:
        raise UsageError(f"{first.name} ({first.kind}) reads rows of {first.inputs}; the first part reads none")
    for before, part in pairwise(parts):
        if part.inputs != before.outputs:
            raise UsageError(
                f"{part.name} ({part.kind}) reads rows of {part.inputs}, the part before it, {before.name} "
                f"({before.kind}), hands on rows of {before.outputs}; expected the same"
            )
    kinds: dict[str, str] = {}
    for part in parts:
        if part.name in kinds:
            raise UsageError(
                f"two parts have the name {part.name}, {kinds[part.name]} and {part.kind}; expected one of its own each"
            )
        kinds[part.name] = part.kind
    owners: dict[str, str] = {}
    for part in parts:
        for spec in part.specs():
            if not spec.name.startswith(f"{part.name}."):
                raise UsageError(
                    f"{part.name} ({part.kind}): parameter {spec.name}: expected a name after {part.name}."
                )
            if spec.name in owners:
                raise UsageError(f"{owners[spec.name]} and {part.name} both have a parameter {spec.name}; rename one")
            owners[spec.name] = part.name
    fields_of(parts)


def specs_of(parts: Sequence[Part]) -> list[Spec]:
    """Every parameter, in the order of the parts."""
    return [spec for part in parts for spec in part.specs()]


def readers(parts: Sequence[Part]) -> list[tuple[str, Field]]:
    """Every field that a part reads, with the name of that part."""
    return [(part.name, field) for part in parts for field in part.fields]


def fields_of(parts: Sequence[Part]) -> tuple[Field, ...]:
    """Every field that is read, once. Raises UsageError where two parts read one as two different things."""
    return joined(readers(parts))
