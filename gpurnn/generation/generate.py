"""Sampling as an iterator: text from a trained model, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import numpy as np

from gpurnn.data.text.decoding import as_bytes, as_text
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import shown_words
from gpurnn.exceptions import UsageError
from gpurnn.generation.prompt import PROMPT_ADVICE, Prompt, encode_prompt, in_windows
from gpurnn.generation.sampler import Sampler, Sampling
from gpurnn.network import Model, State
from gpurnn.network.stepper import Stepper
from gpurnn.settings import Rule, checked, expect_kind

_Length = Annotated[int, Rule("0 (no end) or more", lambda n: n >= 0), Rule("less than 2**63", lambda n: n < 2**63)]
_PROMPT_STEPS = 64  # steps of the windows that a prompt runs through in


def generate(
    model: Model,
    language: Language,
    prompt: Prompt = "",
    *,
    length: int = 0,
    temperature: float = Sampling.temperature,
    top_k: int = Sampling.top_k,
    top_p: float = Sampling.top_p,
    seed: int | None = Sampling.seed,
    stop: str | bytes | None = None,
) -> Iterator[str] | Iterator[bytes]:
    """Text that goes on where `prompt` ends, symbol by symbol: bytes from a model of bytes, str from any other.

    prompt: not repeated in what is yielded; without one the text begins as the documents of the corpus do.
    length: symbols to make; 0: it never ends. temperature, top_k, top_p, seed: see `Sampler`.
    stop: the text ends before this, wherever pieces begin and end; among words, spaces in it need not be as shown.
    The same seed, prompt, device and versions give the same text.
    Raises UsageError for a value out of its range, DataError for a prompt with a symbol that the vocabulary lacks.
    """
    generator = Generator(model, language)
    generator.read(prompt)
    return generator.pieces(length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop)


class Generator:
    """Reads one prompt, then makes as many texts from it as one likes, one after the other.

    It holds one lane's state and buffers; nothing grows with the prompt or the text.
    """

    def __init__(self, model: Model, language: Language) -> None:
        expect_kind("model", Model, model)
        expect_kind("language", Language, language)
        if len(language.vocabulary) != model.config.symbols:
            raise UsageError(
                f"language: its vocabulary has {len(language.vocabulary)} symbols, the model {model.config.symbols}"
            )
        self._model, self._language = model, language
        self._start = model.state(1)
        self._last: int | None = None
        self._stepper = Stepper(model)
        self._texts = 0  # that were begun: the stepper serves the last one

    def read(self, prompt: Prompt) -> None:
        """Begin where this prompt ends; an empty one begins a document. Raises DataError, see `encode_prompt`."""
        self._model.begin(self._start)
        self._last = None
        windows = in_windows(encode_prompt(self._language, prompt), _PROMPT_STEPS)
        window = next(windows, None)
        if window is None:
            return
        forward = _Forward(self._model, _PROMPT_STEPS, self._start)
        for following in windows:
            forward(window)
            window = following
        if len(window) > 1:
            forward(window[:-1])
        self._last = int(window[-1])  # the first step of `pieces` takes it

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

        One that is asked for more after that raises UsageError.
        """
        vocabulary = self._language.vocabulary
        length = checked("length", _Length, length)
        sampler = Sampler(
            len(vocabulary),
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            never=vocabulary.unknown,
        )
        return self._text(sampler, length, None if stop is None else self._until(stop))

    def _until(self, stop: str | bytes) -> _Until:
        """What watches for the stop text, which becomes what is shown where the corpus holds that text."""
        if not isinstance(stop, str | bytes):
            raise UsageError(f"stop: expected a text, found {type(stop).__name__}")
        if self._language.vocabulary.kind == "bytes":
            wanted: str | bytes = as_bytes(stop)
        else:
            policy = self._language.policy
            wanted = policy.apply(as_text(stop, "the stop text", policy, PROMPT_ADVICE))
            if self._language.vocabulary.kind == "words":
                wanted = shown_words(wanted)
        if not wanted:
            raise UsageError("stop: expected a text, found an empty one; leave it out to stop at the length only")
        return _Until(wanted)

    def _text(self, sampler: Sampler, length: int, until: _Until | None) -> Iterator[Any]:
        decoder = self._language.vocabulary.decoder()
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

    def _symbols(self, sampler: Sampler) -> Iterator[int]:
        """Symbols without end."""
        symbol = self._last
        if symbol is None:
            symbol = self._first_symbol(sampler)
            if symbol != self._language.vocabulary.unknown:
                yield symbol
        stepper, to_host = self._stepper, self._model.be.to_host
        stepper.begin(self._start)
        self._texts += 1
        text = self._texts
        while True:
            if text != self._texts:
                raise UsageError("text: the generator has begun another one since; use up each before the next")
            symbol = sampler.draw(to_host(stepper.step(symbol))[0])
            yield symbol

    def _first_symbol(self, sampler: Sampler) -> int:
        """How a document begins; the unknown symbol where every document of the corpus begins with it."""
        language, unknown = self._language, self._language.vocabulary.unknown
        if unknown is not None and np.all(language.start_symbols == unknown):
            return unknown
        seen = np.full(len(language.vocabulary), -np.inf)
        seen[language.start_symbols] = np.log(language.start_counts)
        return sampler.draw(seen)


class _Forward:
    """Runs symbols through a model in one lane, up to `steps` at once; `state` goes on with them."""

    def __init__(self, model: Model, steps: int, state: State) -> None:
        self._model, self._state = model, state
        self._workspace = model.workspace(1, steps, train=False)

    def __call__(self, symbols: np.ndarray) -> None:
        batch = self._workspace.batch
        batch.steps = len(symbols)
        self._model.be.from_host(symbols, out=batch.tokens[: len(symbols)])
        self._model.advance(self._workspace, self._state)


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
