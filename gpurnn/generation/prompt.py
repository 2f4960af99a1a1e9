"""A prompt as symbols, piece by piece, so that a prompt of any length takes little memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpurnn.data.text.decoding import Advice, as_bytes, as_text
from gpurnn.data.text.inputs import Source
from gpurnn.data.text.language import Language
from gpurnn.data.text.text import read_pieces
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import DataError, UsageError

Prompt = str | bytes | Iterable[str] | Iterable[bytes]
"""A text; or its pieces, with the text policy applied already."""

_CONVERT = "a prompt has to be in the encoding of the corpus, convert it with iconv"
PROMPT_ADVICE = Advice(_CONVERT, _CONVERT, "| gpurnn sample RUN `prompt_file=-`", "")


def read_prompt(language: Language, path: Path | None, stdin: IO[bytes] | None) -> Prompt:
    """The prompt in a file, or on standard input where path is None, read while it is used.

    Raises DataError, while it is used: for a file that cannot be read or is no text in the encoding of the text policy.
    """
    policy = None if language.vocabulary.kind == "bytes" else language.policy
    groups = read_pieces(Source(path, named=True), policy, None, stdin, lambda count: None, PROMPT_ADVICE)
    pieces: Iterator[Any] = (text for group in groups for text, _ in group)
    return pieces


def encode_prompt(language: Language, prompt: Prompt) -> Iterator[np.ndarray]:
    """The symbols of a prompt, int32 arrays of any length.

    prompt: see `Prompt`; bytes for a vocabulary of characters or words are decoded as the text policy says.
    Raises DataError that names the first symbol the vocabulary lacks, and its position; UsageError for no text.
    """
    vocabulary, policy = language.vocabulary, language.policy
    if vocabulary.kind == "bytes":
        return _encode(vocabulary, map(as_bytes, (prompt,) if isinstance(prompt, str | bytes) else _texts(prompt)))
    if isinstance(prompt, str | bytes):
        texts: Iterable[str] = (policy.apply(as_text(prompt, "the prompt", policy, PROMPT_ADVICE)),)
    else:
        texts = _decoded(_texts(prompt))
    return _encode(vocabulary, _whole_words(texts) if vocabulary.kind == "words" else texts)


def _texts(pieces: Any) -> Iterator[str | bytes]:
    """The pieces of a prompt, looked at one by one."""
    if not isinstance(pieces, Iterable):
        raise UsageError(f"prompt: expected a text or its pieces, found {type(pieces).__name__}")
    for piece in pieces:
        if not isinstance(piece, str | bytes):
            raise UsageError(f"prompt: expected texts as its pieces, found {type(piece).__name__}")
        yield piece


def _decoded(pieces: Iterable[str | bytes]) -> Iterator[str]:
    """Pieces as text; bytes are UTF-8, and a character of theirs may go on in the next piece."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            yield piece if isinstance(piece, str) else decoder.decode(piece)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(f"prompt: a piece of bytes is not UTF-8: {error.reason}; {_CONVERT}") from None


def in_windows(arrays: Iterable[np.ndarray], steps: int) -> Iterator[np.ndarray]:
    """The same symbols in arrays of `steps`, the last one of 1 or more: where pieces ended makes no difference."""
    held = np.empty(0, np.int32)
    for array in arrays:
        held = np.concatenate((held, array))
        for start in range(0, len(held) - steps + 1, steps):
            yield held[start : start + steps]
        held = held[len(held) - len(held) % steps :]
    if len(held):
        yield held


def _encode(vocabulary: Vocabulary, pieces: Iterable[str | bytes]) -> Iterator[np.ndarray]:
    position = 0
    for piece in pieces:
        yield vocabulary.encode(piece, position)
        position += len(piece)


def _whole_words(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces with a word that may go on in the next one held back."""
    held = ""
    for piece in pieces:
        text = held + piece
        edge = len(text)
        while edge and (text[edge - 1].isalnum() or text[edge - 1] == "_"):
            edge -= 1
        held = text[edge:]
        yield text[:edge]
    yield held
