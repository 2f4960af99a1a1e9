"""What a token is: the text policy and the vocabulary, with encoding and decoding."""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import DataError

Kind = Literal["chars", "bytes", "words"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORD = re.compile(r"\w+|[^\w\s]|\n")
"""A word token: a run of letters, digits and underscores, one punctuation mark, or a newline."""
UNKNOWN_TEXT = {"chars": "�", "bytes": "�", "words": "<unk>"}
ERROR_MODES = ("strict", "replace", "ignore")
NEWLINES = ("lf", "keep")
NORMAL_FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_ENCODING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True)
class TextPolicy:
    """How the bytes of a text become characters; stored in the corpus, so that a prompt is treated the same way.

    encoding: a Python text encoding; a byte order mark at the beginning of a UTF-8 file is dropped.
    errors: "strict" stops at a byte that is not in the encoding, "replace" and "ignore" go on.
    newline: "lf" turns CR LF and CR into LF, "keep" leaves them.
    normalise: None or a Unicode normal form. lower: whether letters are made lower case.
    Tokens of kind "bytes" are taken from the file as they are: nothing of this applies to them.
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    newline: str = "lf"
    normalise: str | None = None
    lower: bool = False

    def __post_init__(self) -> None:
        """Raises DataError when a field has a value that it cannot have."""
        if not isinstance(self.encoding, str) or not _ENCODING_NAME.fullmatch(self.encoding):
            raise DataError(f"text policy: {self.encoding!r:.60} is not the name of an encoding")
        for field, value, allowed in (
            ("errors", self.errors, ERROR_MODES),
            ("newline", self.newline, NEWLINES),
            ("normalise", self.normalise, (None, *NORMAL_FORMS)),
            ("lower", self.lower, (False, True)),
        ):
            if value not in allowed or (field == "lower" and not isinstance(value, bool)):
                raise DataError(f"text policy: {field} is {value!r:.60}, expected one of {allowed}")

    def apply(self, text: str) -> str:
        """The text (already decoded) as a corpus with this policy would hold it."""
        if self.newline == "lf":
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if self.normalise is not None:
            text = unicodedata.normalize(cast(Literal["NFC"], self.normalise), text)
        return text.lower() if self.lower else text

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """The policy that `to_json` described; DataError when it is not one."""
        names = {"encoding", "errors", "newline", "normalise", "lower"}
        if not isinstance(fields, dict) or set(fields) != names:
            raise DataError(f"text policy: expected the fields {', '.join(sorted(names))}")
        return cls(**fields)


class Vocabulary:
    """The symbols of a corpus in the order of their ids.

    kind: "chars" (each symbol one character), "bytes" (one byte each), or "words".
    symbols: str for chars and words, bytes for bytes; all different. The entry at `unknown` is empty.
    unknown: id of the symbol that stands for everything else, or None.
    Raises DataError when the symbols do not fit the kind.
    """

    def __init__(self, kind: Kind, symbols: Sequence[str] | Sequence[bytes], unknown: int | None = None) -> None:
        if kind not in KINDS:
            raise DataError(f"vocabulary: kind is {kind!r:.40}, expected one of {', '.join(KINDS)}")
        self.kind: Kind = kind
        self.symbols: list[str] | list[bytes] = cast(list[str], list(symbols))
        self.unknown = unknown
        _check_symbols(kind, self.symbols, unknown)
        self._ids: dict[str | bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of kind, unknown id, and symbols, in hexadecimal."""
        data, offsets = self.to_arrays()
        digest = hashlib.sha256(f"{self.kind} {self.unknown} {len(self)}\n".encode())
        digest.update(offsets.tobytes())
        digest.update(data.tobytes())
        return digest.hexdigest()

    def id_of(self, symbol: str | bytes) -> int | None:
        """The id of a symbol, or None when the vocabulary lacks it."""
        if self._ids is None:
            symbols = cast(list[str | bytes], self.symbols)
            self._ids = {symbol: i for i, symbol in enumerate(symbols) if i != self.unknown}
        return self._ids.get(symbol)

    def encode(self, text: str | bytes, start: int = 0) -> NDArray[np.int32]:
        """The ids of a text, (n,) int32; the text policy is not applied here.

        text: str; for kind "bytes" also bytes (a str is taken as UTF-8). start: the position that the text begins at.
        Raises DataError that names the first symbol the vocabulary lacks, and its position, whether or not
        there is an unknown symbol: a prompt should say what its author meant.
        """
        if self.kind == "bytes":
            data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
            pieces: Iterable[tuple[int, str | bytes]] = ((i, data[i : i + 1]) for i in range(len(data)))
        else:
            characters = text if isinstance(text, str) else text.decode("utf-8")
            if self.kind == "chars":
                pieces = enumerate(characters)
            else:
                pieces = ((match.start(), match.group()) for match in WORD.finditer(characters))
        ids = []
        for position, symbol in pieces:
            found = self.id_of(symbol)
            if found is None:
                where = "byte" if self.kind == "bytes" else "character"
                raise DataError(
                    f"{symbol!r:.80} at {where} {start + position} is not in the vocabulary ({len(self)} {self.kind}); "
                    "leave it out or put another symbol there"
                )
            ids.append(found)
        return np.array(ids, np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 are replaced. Words are joined as `Decoder` does it."""
        decoder = self.decoder()
        pieces = [decoder.push(int(i)) for i in ids]
        if self.kind == "bytes":
            return b"".join(cast(list[bytes], pieces)).decode("utf-8", "replace")
        return "".join(cast(list[str], pieces))

    def decoder(self) -> "Decoder":
        """A decoder that takes one id at a time, for text that is shown while it is made."""
        return Decoder(self)

    def characters(self, ids: NDArray[Any]) -> NDArray[np.int64] | None:
        """How many characters each id stands for, same shape as ids; None where an unknown word is among them.

        Of kind "bytes", a byte that continues a UTF-8 character counts 0, every other byte 1.
        """
        if self.kind == "words" and self._has_unknown(ids):
            return None
        if self.kind == "bytes":
            table = [int(not symbol or not 0x80 <= symbol[0] < 0xC0) for symbol in cast(list[bytes], self.symbols)]
        else:
            table = [1 if self.kind == "chars" else len(symbol) for symbol in self.symbols]
        counts: NDArray[np.int64] = np.array(table, np.int64)[ids]
        return counts

    def utf8_bytes(self, ids: NDArray[Any]) -> NDArray[np.int64] | None:
        """How many UTF-8 bytes each id stands for, same shape as ids; None where one is unknown (not for bytes)."""
        if self.kind != "bytes" and self._has_unknown(ids):
            return None
        _, offsets = self.to_arrays()
        sizes = np.ones(len(self), np.int64) if self.kind == "bytes" else np.diff(offsets.astype(np.int64))
        counts: NDArray[np.int64] = sizes[ids]
        return counts

    def _has_unknown(self, ids: NDArray[Any]) -> bool:
        return self.unknown is not None and bool((ids == self.unknown).any())

    def to_arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        """The symbols one after the other, (n,) uint8 (UTF-8), and where each begins, (K+1,) uint64 ending with n."""
        encoded = [s if isinstance(s, bytes) else s.encode() for s in self.symbols]
        offsets = np.zeros(len(encoded) + 1, "<u8")
        np.cumsum([len(s) for s in encoded], out=offsets[1:], dtype="<u8")
        return np.frombuffer(b"".join(encoded), np.uint8), offsets

    @classmethod
    def from_arrays(cls, kind: Kind, data: NDArray[np.uint8], offsets: NDArray[np.uint64], unknown: int | None) -> Self:
        """The vocabulary that `to_arrays` described; DataError when the arrays are not one."""
        if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
            raise DataError(f"vocabulary: the offsets do not rise from 0 to {len(data)}")
        raw, edges = data.tobytes(), offsets.tolist()
        symbols = [raw[a:b] for a, b in itertools.pairwise(edges)]
        if kind == "bytes":
            return cls(kind, symbols, unknown)
        try:
            return cls(kind, [symbol.decode() for symbol in symbols], unknown)
        except UnicodeDecodeError as error:
            raise DataError(f"vocabulary: a symbol is not UTF-8: {error.object!r:.60}") from None


def shown_words(text: str) -> str:
    """A text as `Decoder` shows its words; white space at either end stays one space unless a newline is there."""
    words = WORD.findall(text)
    symbols = list(dict.fromkeys(words))
    shown = Vocabulary("words", symbols).decode(map(symbols.index, words)) if words else ""
    before = " " if text[:1].isspace() and not shown.startswith("\n") else ""
    after = " " if text[-1:].isspace() and words and words[-1] != "\n" else ""
    return before + shown + after


class Decoder:
    """Turns ids into text one by one: bytes for kind "bytes", str otherwise.

    Words are joined by one space, except at the beginning and around a newline. The unknown symbol is shown as
    the replacement character, or as <unk> among words.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._symbols = vocabulary.symbols
        self._words = vocabulary.kind == "words"
        self._unknown = vocabulary.unknown
        shown = UNKNOWN_TEXT[vocabulary.kind]
        self._unknown_text: str | bytes = shown.encode() if vocabulary.kind == "bytes" else shown
        self._space = False

    def push(self, symbol: int) -> str | bytes:
        """The text that this id adds."""
        text = self._unknown_text if symbol == self._unknown else self._symbols[symbol]
        if not self._words:
            return text
        lead = " " if self._space and text != "\n" else ""
        self._space = text != "\n"
        return lead + cast(str, text)


def _check_symbols(kind: Kind, symbols: list[str] | list[bytes], unknown: int | None) -> None:
    if unknown is not None and (type(unknown) is not int or not 0 <= unknown < len(symbols) or symbols[unknown]):
        raise DataError(f"vocabulary: the unknown symbol {unknown!r:.40} is not an empty entry of {len(symbols)}")
    known = len(symbols) - (unknown is not None)
    if known < 1:
        raise DataError("vocabulary: it has no symbols; expected at least one")
    if len(set(symbols)) != len(symbols):
        raise DataError("vocabulary: a symbol is there twice")
    expected = bytes if kind == "bytes" else str
    for index, symbol in enumerate(symbols):
        size = len(symbol)
        if not isinstance(symbol, expected) or (index != unknown and (size != 1 if kind != "words" else size == 0)):
            raise DataError(f"vocabulary: entry {index}, {symbol!r:.40}, is not one of kind {kind}")
