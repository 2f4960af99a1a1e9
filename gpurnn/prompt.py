"""A prompt as symbols, piece by piece, so that a prompt of any length takes little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpurnn.data.decoding import Advice, as_bytes, as_text
from gpurnn.data.inputs import Source
from gpurnn.data.text import read_pieces
from gpurnn.data.tokens import Vocabulary
from gpurnn.training.snapshot import Language

Prompt = str | bytes | Iterable[str] | Iterable[bytes]
"""A text; or its pieces, with the text policy applied already."""

_CONVERT = "a prompt has to be in the encoding of the corpus, convert it with iconv"
PROMPT_ADVICE = Advice(_CONVERT, _CONVERT, "| gpurnn sample RUN --prompt-file -", "")


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
    Raises DataError that names the first symbol the vocabulary lacks, and its position.
    """
    vocabulary, policy = language.vocabulary, language.policy
    if vocabulary.kind == "bytes":
        pieces: Iterable[str | bytes] = (prompt,) if isinstance(prompt, str | bytes) else prompt
    elif isinstance(prompt, str | bytes):
        pieces = (policy.apply(as_text(prompt, "the prompt", policy, PROMPT_ADVICE)),)
    else:
        pieces = prompt
    return _encode(vocabulary, pieces)


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
    if vocabulary.kind == "words":
        pieces = _whole_words(pieces)
    for piece in pieces:
        if vocabulary.kind == "bytes" and isinstance(piece, str):
            piece = as_bytes(piece)
        yield vocabulary.encode(piece, position)
        position += len(piece)


def _whole_words(pieces: Iterable[str | bytes]) -> Iterator[str]:
    """The pieces with a word that may go on in the next one held back."""
    held = ""
    for piece in pieces:
        text = held + (piece if isinstance(piece, str) else piece.decode())
        edge = len(text)
        while edge and (text[edge - 1].isalnum() or text[edge - 1] == "_"):
            edge -= 1
        held = text[edge:]
        yield text[:edge]
    yield held
