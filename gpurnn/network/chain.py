"""The parts of a network in their order, from input to loss, and what has to hold between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from gpurnn.exceptions import UsageError
from gpurnn.fields import Field, joined
from gpurnn.network.config import ModelConfig
from gpurnn.network.heads import HEADS, Head
from gpurnn.network.inputs import INPUTS
from gpurnn.network.layers import LAYERS
from gpurnn.network.params import Spec
from gpurnn.network.part import Part


def parts_of(config: ModelConfig) -> tuple[Part, ...]:
    """The parts of a model: its input, `layers` times the layers in `stack`, its head.

    Raises UsageError, which names both, where two of them do not go together.
    """
    parts: list[Part] = [INPUTS[config.input_kind](config)]
    below: Counter[str] = Counter()
    for kind in config.stack * config.layers:
        parts.append(LAYERS[kind](config, below[kind], parts[-1].outputs))
        below[kind] += 1
    parts.append(HEADS[config.head](config, parts[-1].outputs))
    _check(parts)
    return tuple(parts)


def _check(parts: Sequence[Part]) -> None:
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
    if not isinstance(parts[-1], Head):
        raise UsageError(f"{parts[-1].name} ({parts[-1].kind}): expected a Head as the last part")
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
