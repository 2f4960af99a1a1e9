"""The parts of a network in their order, from input to loss, and what has to hold between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gpurnn.exceptions import UsageError
from gpurnn.fields import Field, joined
from gpurnn.network.attentions import ATTENTIONS, Attention
from gpurnn.network.config import ModelConfig
from gpurnn.network.encoder import Encoder
from gpurnn.network.heads import HEADS, Head
from gpurnn.network.params import Spec
from gpurnn.network.part import Part
from gpurnn.network.pools import POOLS
from gpurnn.network.stack import made, stacked


def parts_of(config: ModelConfig) -> tuple[Part, ...]:
    """The parts of a model: its encoder, its input, its layers, its attention, its pool and its head.

    Not every model has an encoder, an attention or a pool.

    Raises UsageError, which names both, where two of them do not go together.
    """
    parts: list[Part] = [Encoder(config)] if config.source else []
    parts += stacked(config)
    if config.attention:
        parts.append(made("ATTENTIONS", ATTENTIONS, config.attention, Attention, config, parts[-1].outputs))
    if config.pool:
        parts.append(made("POOLS", POOLS, config.pool, Part, config, parts[-1].outputs))
    parts.append(made("HEADS", HEADS, config.head, Head, config, parts[-1].outputs))
    _check(parts)
    return tuple(parts)


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
