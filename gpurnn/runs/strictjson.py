"""JSON that comes back as it went in: no duplicate keys, no NaN, no boundless numbers, no deep nesting."""

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

MAX_DEPTH = 32


def dump_object(value: Mapping[str, Any]) -> str:
    """The one ASCII text of a JSON object, keys in their order, without spaces.

    Raises ValueError where the object would not come back equal: keys that are not text, tuples, NaN or
    infinity, whole numbers of more than 64 bits, nesting deeper than 32.
    """
    try:
        text = json.dumps(dict(value), allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as exc:
        raise ValueError(str(exc)) from None
    if parse_object(text) != dict(value):
        raise ValueError("keys that are not text, or values such as tuples, would come back changed")
    return text


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`.

    Raises ValueError, in one line, for anything else: another value, duplicate keys, NaN or infinity, whole
    numbers of more than 64 bits, nesting deeper than 32. Takes at most about 45 bytes of memory per
    character, so the caller limits the length.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_int,
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    _check_depth(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _bounded_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError("a number is too large")
    return int(text)


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
