"""From the JSON of a manifest, which may be a stranger's, to its parts; CorpusError says what is wrong with it."""

import json
import re
from typing import Any

from gpurnn.data.corpus.sizes import (
    MAX_STARTS,
    MAX_SYMBOLS,
    MAX_WIDTH,
    SHAPES,
    SPLITS,
    Names,
    Row,
    SplitSize,
    Symbols,
)
from gpurnn.data.text.tokens import KINDS as TEXT_KINDS
from gpurnn.data.text.tokens import Kind, TextPolicy
from gpurnn.exceptions import CorpusError, DataError

FORMAT = "gpurnn-corpus"
_COMMON = {"format", "version", "kind", "policy", "splits", "sha256", "fingerprint"}
_FIELDS = {
    1: _COMMON | {"symbols", "vocabulary_bytes", "unknown", "starts"},
    2: _COMMON | {"vocabulary", "columns", "keys", "source", "labels", "vectors"},
}
"""What a manifest of each version says."""
_ABOUT = {"interval", "season", "time", "key", "clock", "fill", "form"}
_MOST = 2**62
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = tuple(kind for kind in SHAPES if kind not in TEXT_KINDS)


def parse(text: bytes) -> dict[str, Any]:
    """The fields of a manifest of a version that this program reads, none missing and none besides."""
    try:
        fields = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"its manifest is not JSON: {error!s:.80}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise CorpusError(f"its manifest is not that of a {FORMAT} file")
    version, newest = fields.get("version"), max(_FIELDS)
    if type(version) is int and version > newest:
        raise CorpusError(
            f"it has format version {version!s:.20}, this program reads up to {newest}; use a newer gpurnn"
        )
    if type(version) is not int or version not in _FIELDS:
        raise CorpusError(f"its format version is {version!s:.20}, expected 1 to {newest}")
    if set(fields) != _FIELDS[version]:
        raise CorpusError(f"its manifest has not exactly the fields {', '.join(sorted(_FIELDS[version]))}")
    return fields


def text_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """What a manifest of version 1 says."""
    kind = _one_of("kind", fields["kind"], TEXT_KINDS)
    count = _count("symbols", fields["symbols"], 1, MAX_SYMBOLS)
    size = _count("vocabulary_bytes", fields["vocabulary_bytes"], 1, _MOST)
    return {
        "kind": kind,
        "vocabulary": Symbols(count, size, kind, _unknown(fields["unknown"])),
        "policy": _policy(fields["policy"]),
        "splits": _splits(fields["splits"], "tokens", ("documents",)),
        "starts": _count("starts", fields["starts"], 1, MAX_STARTS),
        "sha256": _digests(fields["sha256"]),
    }


def parts(fields: dict[str, Any]) -> dict[str, Any]:
    """What a manifest of version 2 says."""
    policy = fields["policy"]
    return {
        "kind": _one_of("kind", fields["kind"], _KINDS),
        "vocabulary": _symbols("vocabulary", fields["vocabulary"]),
        "policy": None if policy is None else _policy(policy),
        "splits": _splits(fields["splits"], "steps", ("documents", "source", "strings")),
        "columns": _row(fields["columns"]),
        "keys": _names("keys", fields["keys"]),
        "source": _symbols("source", fields["source"]),
        "labels": _labels(fields["labels"]),
        "vectors": _count("vectors", fields["vectors"], 0, MAX_WIDTH),
        "sha256": _digests(fields["sha256"]),
    }


def _count(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise CorpusError(f"its manifest says {name} {value!s:.40}, expected a whole number from {low} to {high}")
    return value


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    for candidate in allowed:
        if value == candidate:
            return candidate
    raise CorpusError(f"its manifest says {name} {value!s:.40}, expected one of {', '.join(allowed)}")


def _unknown(value: Any) -> int | None:
    return None if value is None else _count("unknown", value, 0, MAX_SYMBOLS)


def _policy(fields: Any) -> TextPolicy:
    try:
        return TextPolicy.from_json(fields)
    except DataError as error:
        raise CorpusError(f"its {error}") from None


def _part(name: str, value: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise CorpusError(f"its manifest does not say {', '.join(sorted(keys))} of {name}")
    return value


def _names(name: str, value: Any) -> Names | None:
    if value is None:
        return None
    part = _part(name, value, {"count", "bytes"})
    return Names(*_sizes(name, part, MAX_SYMBOLS))


def _symbols(name: str, value: Any) -> Symbols | None:
    if value is None:
        return None
    part = _part(name, value, {"count", "bytes", "tokens", "unknown"})
    tokens: Kind = _one_of(f"tokens of {name}", part["tokens"], TEXT_KINDS)
    return Symbols(*_sizes(name, part, MAX_SYMBOLS), tokens, _unknown(part["unknown"]))


def _labels(value: Any) -> Names | None:
    if not isinstance(value, dict) or "tokens" not in value:
        return _names("labels", value)
    found = _symbols("labels", value)
    if found is not None and (found.tokens == "bytes" or found.unknown is not None):
        raise CorpusError("its manifest says labels that are bytes or unknown, expected chars or words, all known")
    return found


def _row(value: Any) -> Row | None:
    if value is None:
        return None
    part = _part("columns", value, {"count", "bytes", "about"})
    return Row(*_sizes("columns", part, MAX_WIDTH), _part("columns", part["about"], _ABOUT))


def _sizes(name: str, part: dict[str, Any], most: int) -> tuple[int, int]:
    """How many texts, and their bytes: a single empty one is allowed, the name of what has no other."""
    return _count(f"count of {name}", part["count"], 1, most), _count(f"bytes of {name}", part["bytes"], 0, _MOST)


def _splits(fields: Any, first: str, others: tuple[str, ...]) -> dict[str, SplitSize]:
    if not isinstance(fields, dict) or set(fields) != set(SPLITS):
        raise CorpusError(f"its manifest has not exactly the splits {', '.join(SPLITS)}")
    splits = {}
    for name in SPLITS:
        sizes = fields[name]
        if not isinstance(sizes, dict) or set(sizes) != {first, *others}:
            raise CorpusError(f"its manifest does not say {' and '.join((first, *others))} of split {name}")
        steps = _count(f"{first} of {name}", sizes[first], 0, _MOST)
        documents = _count(f"documents of {name}", sizes["documents"], min(steps, 1), steps)
        more = [_count(f"{other} of {name}", sizes[other], 0, _MOST) for other in others if other != "documents"]
        splits[name] = SplitSize(steps, documents, *more)
    return splits


def _digests(fields: Any) -> dict[str, str]:
    if not isinstance(fields, dict) or not all(isinstance(v, str) and _SHA256.fullmatch(v) for v in fields.values()):
        raise CorpusError("its manifest has a SHA-256 that is not one")
    return {str(name): str(value) for name, value in fields.items()}
