"""The corpus file: what it holds, under which names, and the JSON that describes it.

Text is written as version 1, all else as version 2. Both are read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gpurnn.data.corpus import parsing
from gpurnn.data.corpus.sizes import SHAPES, SPLITS, Names, Row, Shape, SplitSize, Symbols, index_type
from gpurnn.data.text.tokens import KINDS as TEXT_KINDS
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import CorpusError

ATTRIBUTE = "gpurnn"
"""Name of the one attribute, on the root group: a fixed-length UTF-8 string that holds the manifest."""
CHUNK_BYTES = 64 * 1024

Datasets = Iterator[tuple[str, int, np.dtype[Any]]]
_BYTE = np.dtype("u1")
_UINT64 = np.dtype("<u8")
_INT64 = np.dtype("<i8")
_FLOAT32 = np.dtype("<f4")
_FLOAT64 = np.dtype("<f8")


@dataclass(frozen=True)
class Manifest:
    """What the JSON attribute says; everything about the file's datasets follows from it.

    sha256: of each dataset's little-endian bytes, by the dataset's path. vocabulary: of steps that are symbols. policy:
    of these, or of strings of labels. starts: of text, how many different first symbols of train documents are kept.
    columns: of steps that are rows of reals. keys: the names of what series are of, or of the files that frames come
    from. source: the vocabulary of the other side. labels: their names, or the vocabulary of strings of them. vectors:
    their length.
    Raises CorpusError where the kind does not have these parts.
    """

    kind: str
    splits: Mapping[str, SplitSize]
    sha256: Mapping[str, str]
    vocabulary: Symbols | None = None
    policy: TextPolicy | None = None
    starts: int = 0
    columns: Row | None = None
    keys: Names | None = None
    source: Symbols | None = None
    labels: Names | None = None
    vectors: int = 0

    def __post_init__(self) -> None:
        shape = self.shape
        for name, there, may in (
            ("columns", self.columns is not None, {shape.reals, not shape.symbols}),
            ("a vocabulary", self.vocabulary is not None, {self.columns is None}),
            ("a text policy", self.policy is not None, {self.columns is None or shape.labels == "strings"}),
            ("first symbols", self.starts > 0, {self.version == 1}),
            ("keys", self.keys is not None, self._may_have_keys()),
            ("a source", self.source is not None, {shape.source}),
            ("labels", self.labels is not None, {shape.labels != ""}),
            ("a vocabulary of labels", isinstance(self.labels, Symbols), {shape.labels == "strings"}),
            ("vectors", self.vectors > 0, {shape.vectors}),
        ):
            if there not in may:
                found = name if there else f"no {name.removeprefix('a ')}"
                raise CorpusError(f"its manifest has {found}, which is not so of {shape.called}")
        for name, size in self.splits.items():
            source = size.source >= size.documents if shape.source else size.source == 0
            if not source or (size.strings and (shape.labels != "strings" or not size.documents)):
                raise CorpusError(f"its manifest says of split {name} what {shape.called} cannot have")

    def _may_have_keys(self) -> set[bool]:
        if self.columns is None:
            return {False}
        return {"never": {False}, "maybe": {False, True}, "always": {True}}[self.shape.keys]

    @property
    def shape(self) -> Shape:
        """What its kind holds."""
        return SHAPES[self.kind]

    @property
    def version(self) -> int:
        """Of the format that it is written in."""
        return 1 if self.kind in TEXT_KINDS else 2

    def datasets(self) -> dict[str, tuple[int, np.dtype[Any]]]:
        """Path, length and type of every dataset the file holds, and of no other."""
        found = {f"{name}/{split}": (n, dtype) for split in SPLITS for name, n, dtype in self._of_split(split)}
        found |= {path: (length, dtype) for path, length, dtype in self._of_all()}
        return {path: (length, dtype) for path, (length, dtype) in found.items() if length}

    def _of_split(self, name: str) -> Datasets:
        size = self.splits[name]
        if not size.steps:
            return
        if self.vocabulary is not None:
            yield "tokens", size.steps, index_type(self.vocabulary.count)
        if self.columns is not None:
            yield "reals", size.steps * self.columns.count, _FLOAT32
        yield "documents", size.documents, _UINT64
        if self.source is not None:
            yield "source", size.source, index_type(self.source.count)
            yield "source_documents", size.documents, _UINT64
        if self.keys is not None:
            yield "keys", size.documents, index_type(self.keys.count)
            yield "starts", size.documents if self.shape.times else 0, _INT64
        if self.labels is not None:
            yield "targets", getattr(size, self.shape.labels), index_type(self.labels.count)
        if self.shape.labels == "strings":
            yield "targets_offsets", size.documents + 1, _UINT64
        yield "vectors", size.documents * self.vectors, _FLOAT32

    def _of_all(self) -> Datasets:
        for folder, names, more in (
            ("vocabulary", self.vocabulary, {"counts": _UINT64}),
            ("source_vocabulary", self.source, {"counts": _UINT64}),
            ("labels", self.labels, {"counts": _UINT64}),
            ("columns", self.columns, {"mean": _FLOAT64, "scale": _FLOAT64, "season_error": _FLOAT64}),
            ("key_names", self.keys, {}),
        ):
            if names is not None:
                yield f"{folder}/bytes", names.bytes, _BYTE
                yield f"{folder}/offsets", names.count + 1, _UINT64
                for name, dtype in more.items():
                    yield f"{folder}/{name}", names.count, dtype
        if self.version == 1:
            yield "starts/symbols", self.starts, np.dtype("<u4")
            yield "starts/counts", self.starts, _UINT64

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything the manifest says, the digest of each dataset among it, in hexadecimal."""
        return hashlib.sha256(_canonical(self._fields()).encode()).hexdigest()

    def to_json(self) -> str:
        """The text of the attribute."""
        return _canonical(self._fields() | {"fingerprint": self.fingerprint})

    def _fields(self) -> dict[str, Any]:
        fields = {"format": parsing.FORMAT, "version": self.version, "kind": self.kind, "sha256": dict(self.sha256)}
        policy = None if self.policy is None else self.policy.to_json()
        if self.version == 1:
            assert self.vocabulary is not None
            return fields | {
                "symbols": self.vocabulary.count,
                "vocabulary_bytes": self.vocabulary.bytes,
                "unknown": self.vocabulary.unknown,
                "policy": policy,
                "splits": {n: {"tokens": s.tokens, "documents": s.documents} for n, s in self.splits.items()},
                "starts": self.starts,
            }
        return fields | {
            "splits": {name: dict(vars(size)) for name, size in self.splits.items()},
            "vocabulary": _plain(self.vocabulary),
            "policy": policy,
            "columns": _plain(self.columns),
            "keys": _plain(self.keys),
            "source": _plain(self.source),
            "labels": _plain(self.labels),
            "vectors": self.vectors,
        }

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The manifest in the text of an attribute; CorpusError with the reason when it is not one."""
        fields = parsing.parse(text)
        manifest = cls(**(parsing.text_parts(fields) if fields["version"] == 1 else parsing.parts(fields)))
        if set(manifest.sha256) != set(manifest.datasets()):
            raise CorpusError("its manifest has not one SHA-256 for each dataset")
        try:
            fingerprint = manifest.fingerprint
        except RecursionError:
            raise CorpusError("its manifest is nested too deeply") from None
        if fields["fingerprint"] != fingerprint:
            raise CorpusError("its manifest does not have the fingerprint it says; it was altered or damaged")
        return manifest


def _plain(part: Names | None) -> dict[str, Any] | None:
    return None if part is None else dict(vars(part))


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))
