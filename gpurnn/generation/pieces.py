"""Texts that are made symbol by symbol, and handed on piece by piece as far as they are certain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from gpurnn.data.text.decoding import as_bytes, as_text
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import UsageError
from gpurnn.generation.prompt import PROMPT_ADVICE
from gpurnn.generation.sampler import Sampler, Sampling
from gpurnn.settings import Rule, checked

_Length = Annotated[int, Rule("0 (no end) or more", lambda n: n >= 0), Rule("less than 2**63", lambda n: n < 2**63)]


class TextMaker(ABC):
    """Makes as many texts from one beginning as one likes, one after the other.

    vocabulary: of their symbols; policy: how text becomes such. outputs: how many symbols there are to draw from, those
    of the vocabulary first.
    """

    def __init__(self, vocabulary: Vocabulary, policy: TextPolicy, outputs: int) -> None:
        self.vocabulary, self._policy, self._outputs = vocabulary, policy, outputs
        self._last: int | None = None
        self._texts = 0  # that were begun: the buffers serve the last one

    @abstractmethod
    def _symbols(self, sampler: Sampler) -> Iterator[int]:
        """Another text from the beginning on, as long as it goes."""

    @abstractmethod
    def _shown(self, text: str) -> str:
        """A text as its words are shown where symbols are words."""

    def pieces(
        self,
        *,
        length: int = 0,
        temperature: float = Sampling.temperature,
        top_k: int = Sampling.top_k,
        top_p: float = Sampling.top_p,
        seed: int | None = Sampling.seed,
        stop: str | bytes | None = None,
    ) -> Iterator[str] | Iterator[bytes]:
        """A text, as `generate` describes it. Use it up, or leave it, before the next one is asked for.

        One that is asked for more after that raises UsageError. So does a value out of its range.
        """
        length = checked("length", _Length, length)
        sampler = Sampler(
            self._outputs,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            never=self.vocabulary.unknown,
        )
        return self._text(sampler, length, None if stop is None else self._until(stop))

    def _until(self, stop: str | bytes) -> _Until:
        """What watches for the stop text, which becomes what is shown where the corpus holds that text."""
        if not isinstance(stop, str | bytes):
            raise UsageError(f"stop: expected a text, found {type(stop).__name__}")
        if self.vocabulary.kind == "bytes":
            wanted: str | bytes = as_bytes(stop)
        else:
            policy = self._policy
            wanted = policy.apply(as_text(stop, "the stop text", policy, PROMPT_ADVICE))
            if self.vocabulary.kind == "words":
                wanted = self._shown(wanted)
        if not wanted:
            raise UsageError("stop: expected a text, found an empty one; leave it out to stop at the length only")
        return _Until(wanted)

    def _text(self, sampler: Sampler, length: int, until: _Until | None) -> Iterator[Any]:
        decoder = self.vocabulary.decoder()
        if self._last is not None:
            decoder.push(self._last)  # among words it decides whether a space comes next
        for symbol in islice(self._symbols(sampler), length or None):
            piece = decoder.push(symbol)
            if until is not None:
                piece = until.push(piece)
            if piece:
                yield piece
            if until is not None and until.met:
                return
        if until is not None and until.held:
            yield until.held

    def _begun(self) -> int:
        """A text is begun: its number, for `_expect`."""
        self._texts += 1
        return self._texts

    def _expect(self, text: int) -> None:
        """Raises UsageError where another text was begun since."""
        if text != self._texts:
            raise UsageError("text: the generator has begun another one since; use up each before the next")


class _Until:
    """Lets pieces of text through until `stop` appears in them; keeps back what may be its beginning.

    met: whether it appeared. held: what is kept back, never a whole `stop`.
    """

    def __init__(self, stop: Any) -> None:
        self._stop = stop
        self.met = False
        self.held: Any = stop[:0]

    def push(self, piece: Any) -> Any:
        """What is certain to come before `stop`."""
        text = self.held + piece
        place = text.find(self._stop)
        if place >= 0:
            self.met = True
        else:
            place = max(0, len(text) - len(self._stop) + 1)
            while not self._stop.startswith(text[place:]):
                place += 1
        self.held = text[place:]
        return text[:place]
