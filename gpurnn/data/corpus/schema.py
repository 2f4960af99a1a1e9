"""The corpus file: what it holds, under which names, and the JSON that describes it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gpurnn.data.text.tokens import KINDS, Kind, TextPolicy
from gpurnn.exceptions import CorpusError, DataError

FORMAT = "gpurnn-corpus"
VERSION = 1
ATTRIBUTE = "gpurnn"
"""Name of the one attribute, on the root group: a fixed-length UTF-8 string that holds the manifest."""
SPLITS = ("train", "valid", "test")
CHUNK_BYTES = 64 * 1024
MAX_STARTS = 65_536
"""At most so many different first symbols of documents are kept, the commonest ones."""
MAX_SYMBOLS = 2**31 - 1

_UINT64 = np.dtype("<u8")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = {
    "format",
    "version",
    "kind",
    "symbols",
    "vocabulary_bytes",
    "unknown",
    "policy",
    "splits",
    "starts",
    "sha256",
    "fingerprint",
}


@dataclass(frozen=True)
class SplitSize:
    """How much a split holds; a split without tokens has no datasets in the file."""

    tokens: int
    documents: int


@dataclass(frozen=True)
class Manifest:
    """What the JSON attribute says; everything about the file's datasets follows from it.

    symbols: K. vocabulary_bytes: UTF-8 bytes of all symbols together. starts: how many different first symbols
    of train documents are kept. sha256: of each dataset's little-endian bytes, by the dataset's path.
    """

    kind: Kind
    symbols: int
    vocabulary_bytes: int
    unknown: int | None
    policy: TextPolicy
    splits: Mapping[str, SplitSize]
    starts: int
    sha256: Mapping[str, str]

    def datasets(self) -> dict[str, tuple[int, np.dtype[Any]]]:
        """Path, length and type of every dataset the file holds, and of no other."""
        found: dict[str, tuple[int, np.dtype[Any]]] = {}
        for name in SPLITS:
            if self.splits[name].tokens:
                found[f"tokens/{name}"] = (self.splits[name].tokens, token_type(self.symbols))
                found[f"documents/{name}"] = (self.splits[name].documents, _UINT64)
        found["vocabulary/bytes"] = (self.vocabulary_bytes, np.dtype("u1"))
        found["vocabulary/offsets"] = (self.symbols + 1, _UINT64)
        found["vocabulary/counts"] = (self.symbols, _UINT64)
        found["starts/symbols"] = (self.starts, np.dtype("<u4"))
        found["starts/counts"] = (self.starts, _UINT64)
        return found

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything the manifest says, the digest of each dataset among it, in hexadecimal."""
        return hashlib.sha256(_canonical(self._fields()).encode()).hexdigest()

    def _fields(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "symbols": self.symbols,
            "vocabulary_bytes": self.vocabulary_bytes,
            "unknown": self.unknown,
            "policy": self.policy.to_json(),
            "splits": {n: {"tokens": s.tokens, "documents": s.documents} for n, s in self.splits.items()},
            "starts": self.starts,
            "sha256": dict(self.sha256),
        }

    def to_json(self) -> str:
        """The text of the attribute."""
        return _canonical(self._fields() | {"fingerprint": self.fingerprint})

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The manifest in the text of an attribute; CorpusError with the reason when it is not one."""
        fields = _parse(text)
        manifest = cls(
            kind=_one_of("kind", fields["kind"], KINDS),
            symbols=_count("symbols", fields["symbols"], 1, MAX_SYMBOLS),
            vocabulary_bytes=_count("vocabulary_bytes", fields["vocabulary_bytes"], 1, 2**62),
            unknown=None if fields["unknown"] is None else _count("unknown", fields["unknown"], 0, MAX_SYMBOLS),
            policy=_policy(fields["policy"]),
            splits=_splits(fields["splits"]),
            starts=_count("starts", fields["starts"], 1, MAX_STARTS),
            sha256=_digests(fields["sha256"]),
        )
        if set(manifest.sha256) != set(manifest.datasets()):
            raise CorpusError("its manifest has not one SHA-256 for each dataset")
        if fields["fingerprint"] != manifest.fingerprint:
            raise CorpusError("its manifest does not have the fingerprint it says; it was altered or damaged")
        return manifest


def token_type(symbols: int) -> np.dtype[Any]:
    """The narrowest little-endian unsigned type that holds the ids of so many symbols."""
    return np.dtype("u1") if symbols <= 2**8 else np.dtype("<u2") if symbols <= 2**16 else np.dtype("<u4")


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def _parse(text: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"its manifest is not JSON: {error!s:.80}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise CorpusError(f"its manifest is not that of a {FORMAT} file")
    version = fields.get("version")
    if type(version) is int and version > VERSION:
        raise CorpusError(
            f"it has format version {version!s:.20}, this program reads up to {VERSION}; use a newer gpurnn"
        )
    if version != VERSION or type(version) is not int:
        raise CorpusError(f"its format version is {version!s:.20}, expected {VERSION}")
    if set(fields) != _FIELDS:
        raise CorpusError(f"its manifest has not exactly the fields {', '.join(sorted(_FIELDS))}")
    return fields


def _count(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise CorpusError(f"its manifest says {name} {value!s:.40}, expected a whole number from {low} to {high}")
    return value


def _one_of(name: str, value: Any, allowed: tuple[Kind, ...]) -> Kind:
    for candidate in allowed:
        if value == candidate:
            return candidate
    raise CorpusError(f"its manifest says {name} {value!s:.40}, expected one of {', '.join(allowed)}")


def _policy(fields: Any) -> TextPolicy:
    try:
        return TextPolicy.from_json(fields)
    except DataError as error:
        raise CorpusError(f"its {error}") from None


def _splits(fields: Any) -> dict[str, SplitSize]:
    if not isinstance(fields, dict) or set(fields) != set(SPLITS):
        raise CorpusError(f"its manifest has not exactly the splits {', '.join(SPLITS)}")
    splits = {}
    for name in SPLITS:
        sizes = fields[name]
        if not isinstance(sizes, dict) or set(sizes) != {"tokens", "documents"}:
            raise CorpusError(f"its manifest does not say tokens and documents of split {name}")
        tokens = _count(f"tokens of {name}", sizes["tokens"], 0, 2**62)
        splits[name] = SplitSize(tokens, _count(f"documents of {name}", sizes["documents"], min(tokens, 1), tokens))
    return splits


def _digests(fields: Any) -> dict[str, str]:
    if not isinstance(fields, dict) or not all(isinstance(v, str) and _SHA256.fullmatch(v) for v in fields.values()):
        raise CorpusError("its manifest has a SHA-256 that is not one")
    return {str(name): str(value) for name, value in fields.items()}
