"""Sampling as an iterator: text from a trained model, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import shown_words
from gpurnn.exceptions import UsageError
from gpurnn.generation.pieces import TextMaker
from gpurnn.generation.prompt import Prompt, encode_prompt, in_windows
from gpurnn.generation.sampler import Sampler, Sampling
from gpurnn.network import Model, State
from gpurnn.network.stepper import Stepper
from gpurnn.settings import expect_kind

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


class Generator(TextMaker):
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
        super().__init__(language.vocabulary, language.policy, len(language.vocabulary))
        self._model, self._language = model, language
        self._start = model.state(1)
        self._stepper = Stepper(model)

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

    def _shown(self, text: str) -> str:
        return shown_words(text)

    def _symbols(self, sampler: Sampler) -> Iterator[int]:
        """Symbols without end."""
        symbol = self._last
        if symbol is None:
            symbol = self._first_symbol(sampler)
            if symbol != self._language.vocabulary.unknown:
                yield symbol
        stepper, to_host = self._stepper, self._model.be.to_host
        stepper.begin(self._start)
        text = self._begun()
        while True:
            self._expect(text)
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
