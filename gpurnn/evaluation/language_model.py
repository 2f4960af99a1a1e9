"""How well a model predicts a split: nats a token, bits a character, bits a byte, perplexity."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.evaluation.part import part_of
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.settings import Count, checked, expect_kind
from gpurnn.training.finite import expect_finite
from gpurnn.training.validation import ForwardPass, LaneLosses, LaneSums

_STEPS = 256
_LOGITS = 1 << 23  # of a window at most, so that its memory does not grow with the vocabulary
_LARGEST_EXPONENT = 700.0  # e to this is a float64


@dataclass(frozen=True)
class Evaluation:
    """A model's loss over a split.

    tokens: targets counted, those that begin a document not among them. nats_per_token: their mean loss.
    bits_per_char, bits_per_byte: the total loss over the characters and the UTF-8 bytes of the counted targets, None
    where unknown symbols hide how many those are. perplexity: e to the nats_per_token, None where that has no float.
    lanes: in how many stretches the split was read, each from a state of zeros. stuck_lanes: how many of them never
    recovered from it (see `LaneLosses`). median_nats_per_token: the median of the lanes' mean losses.
    """

    tokens: int
    nats_per_token: float
    bits_per_char: float | None
    bits_per_byte: float | None
    perplexity: float | None
    lanes: int
    stuck_lanes: int
    median_nats_per_token: float

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return asdict(self)


def evaluate(
    model: Model,
    language: Language,
    corpus: Corpus,
    split: str = "valid",
    *,
    lanes: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, targets: None,
) -> Evaluation:
    """The loss of every target of a split, each counted once, the state carried from the first to the last.

    language: the model's; its vocabulary has to be that of the corpus. lanes: more are faster, but each begins with a
    state of zeros. on_progress: called with the targets read and those there are.
    Raises DataError: another vocabulary, a split with no target to count, too many lanes; UsageError: what is no model,
    language, corpus or number of lanes; GpurnnError: a loss that is not finite.
    """
    for name, kind, value in (("model", Model, model), ("language", Language, language), ("corpus", Corpus, corpus)):
        expect_kind(name, kind, value)
    lanes = checked("lanes", Count, lanes)
    expect_vocabulary(language.vocabulary, corpus)
    targets = max(1, len(part_of(corpus, split, "tokens")) - 1)
    steps = min(_STEPS, max(1, _LOGITS // (lanes * model.config.output_width)), max(1, targets // lanes))
    total, done = 0.0, 0
    seen = np.zeros(model.config.output_width, np.int64)
    stream = WindowStream(corpus, split, lanes=lanes, steps=steps, epochs=1, plan=False, tail=True)
    sums = LaneSums(lanes)
    with closing(stream):
        for window, losses in ForwardPass(model, lanes, steps).losses(stream):
            counted = window.weight > 0
            total += float(np.sum(losses[counted], dtype=np.float64))
            sums.add(window, losses)
            seen += np.bincount(window.targets[counted], minlength=len(seen))
            done += window.targets.size
            on_progress(min(done, targets), targets)
    if not seen.any():
        raise DataError(f"{corpus.path}: split {split} has no target to count, every document in it is one token")
    expect_finite(f"the loss over split {split}", total)
    return _evaluation(total, seen, language.vocabulary, lanes, sums.losses(model.head))


def expect_vocabulary(vocabulary: Vocabulary, corpus: Corpus) -> None:
    """Raises DataError where the symbols of a corpus are not those of a model."""
    if corpus.vocabulary.fingerprint != vocabulary.fingerprint:
        raise DataError(
            f"{corpus.path}: its vocabulary ({len(corpus.vocabulary)} {corpus.vocabulary.kind}) is not the one that "
            f"the model was trained with ({len(vocabulary)} {vocabulary.kind}); prepare the text with `vocab_from`"
        )


def _evaluation(total: float, seen: np.ndarray, vocabulary: Vocabulary, lanes: int, by_lane: LaneLosses) -> Evaluation:
    """total: the summed loss, in nats. seen: (K,), how often each symbol was a counted target."""
    symbols = np.flatnonzero(seen)
    tokens = int(seen.sum())
    mean = total / tokens

    def bits_each(sizes: np.ndarray | None) -> float | None:
        units = 0 if sizes is None else int(sizes @ seen[symbols])
        return total / math.log(2) / units if units else None

    return Evaluation(
        tokens=tokens,
        nats_per_token=mean,
        bits_per_char=bits_each(vocabulary.characters(symbols)),
        bits_per_byte=bits_each(vocabulary.utf8_bytes(symbols)),
        perplexity=math.exp(mean) if mean < _LARGEST_EXPONENT else None,
        lanes=lanes,
        stuck_lanes=by_lane.stuck,
        median_nats_per_token=by_lane.median,
    )
