"""From a text's bytes to the pieces of its documents: decoded, cut, and normalised, in bounded memory."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, Any, Literal, cast

from gpurnn.data.text.decoding import (
    PREPARE_ADVICE,
    Advice,
    Losses,
    decode_blocks,
    refuse_other_formats,
    text_decoder,
)
from gpurnn.data.text.inputs import Advance, Source, read_blocks
from gpurnn.data.text.tokens import TextPolicy

_LONGEST_CARRY = 1 << 24
Piece = tuple[str | bytes, bool]
"""Some text, and whether a document begins with it."""


class Cutter:
    """Cuts a source's blocks into documents at a separator, which belongs to none of them.

    cuts: how often it was found.
    """

    def __init__(self, separator: str | bytes | None) -> None:
        self._separator = separator
        self._held: Any = None
        self.cuts = 0

    def cut(self, blocks: Iterable[str | bytes]) -> Iterator[list[Piece]]:
        """For each block its pieces; the first one begins a document."""
        begins = True
        for block in blocks:
            parts = self._parts(block)
            pieces = [(parts[0], begins), *((part, True) for part in parts[1:])]
            begins = False
            yield pieces
        if self._held:
            yield [(self._held, begins)]
            self._held = None

    def _parts(self, block: Any) -> list[Any]:
        if self._separator is None:
            return [block]
        text = block if self._held is None else self._held + block
        parts: list[Any] = text.split(self._separator)
        self.cuts += len(parts) - 1
        keep = len(self._separator) - 1  # the separator may begin here and end in the next block
        last = parts[-1]
        edge = max(len(last) - keep, 0)
        parts[-1], self._held = last[:edge], last[edge:]
        return parts


class Normaliser:
    """Applies normalisation and case to pieces, so that the result does not depend on where blocks end."""

    def __init__(self, policy: TextPolicy) -> None:
        self._form = cast(Literal["NFC"] | None, policy.normalise)
        self._lower = policy.lower
        self._held = ""

    def __call__(self, groups: Iterable[list[Piece]]) -> Iterator[list[Piece]]:
        """The pieces of one source, changed."""
        begins = True
        for group in groups:
            result: list[Piece] = []
            for text, new in group:
                if new:
                    result.append((self._change(self._held), begins))
                    self._held, begins = "", True
                text = self._held + cast(str, text)
                edge = self._safe_edge(text)
                self._held = text[edge:]
                result.append((self._change(text[:edge]), begins))
                begins = False
            yield result
        yield [(self._change(self._held), begins)]
        self._held = ""

    def _change(self, text: str) -> str:
        if self._form is not None:
            text = unicodedata.normalize(self._form, text)
        return text.lower() if self._lower else text

    def _safe_edge(self, text: str) -> int:
        """Where text may be cut: before white space, else (nothing to lower) before what never joins what precedes."""
        edge = max(text.rfind(" "), text.rfind("\n"))
        if edge > 0:
            return edge
        if not self._lower:
            for index in range(len(text) - 1, max(len(text) - 4096, 0), -1):
                if _stands_alone(text[index]):
                    return index
        return len(text) if len(text) > _LONGEST_CARRY else 0


def _stands_alone(character: str) -> bool:
    """Whether a character never combines with the ones before it, in any normal form."""
    if character.isascii():
        return True
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first)[0] not in "MC" and not "\u1160" <= first <= "\u11ff" and first < "\U00010000"


def read_pieces(
    source: Source,
    policy: TextPolicy | None,
    separator: str | bytes | None,
    stdin: IO[bytes] | None,
    advance: Advance,
    advice: Advice = PREPARE_ADVICE,
    losses: Losses | None = None,
) -> Iterator[list[Piece]]:
    """The pieces of a source's documents; with policy None they, and the separator, are bytes as they are in the file.

    losses: takes what happened to the text.
    Raises DataError with the advice for what is no text, or not in the policy's encoding.
    """
    losses = Losses() if losses is None else losses
    cutter = Cutter(separator)
    if policy is None:
        yield from cutter.cut(read_blocks(source, stdin, advance))
    else:
        text_decoder(policy)
        check = partial(refuse_other_formats, source.label, policy, cast(str, separator or ""), advice)
        blocks = read_blocks(source, stdin, advance, check)
        pieces = cutter.cut(decode_blocks(blocks, source.label, policy, advice, losses))
        yield from pieces if policy.normalise is None and not policy.lower else Normaliser(policy)(pieces)
    losses.cuts += cutter.cuts
