"""How well a model reads the texts of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from heapq import nsmallest
from typing import Any

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.stream import StringStream
from gpurnn.data.stream.pieces import longest_sequence, rounded_up
from gpurnn.data.stream.sequences import strings_of
from gpurnn.evaluation.mean_loss import mean_loss
from gpurnn.evaluation.part import expect_corpus_of, part_of
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.settings import expect_kind
from gpurnn.training.beside import beside
from gpurnn.training.config import TrainConfig
from gpurnn.training.edits import TextErrors
from gpurnn.training.hearing import Hearing
from gpurnn.training.transcriber import Transcriber

_CELLS = 1 << 13
"""About so many steps, of all lanes together, has a window."""
_WORST = 10
"""So many texts are told of."""


@dataclass(frozen=True)
class Misread:
    """A text that was not read as it is. file: what its frames come from, or its number, the first being 0.

    edits: of characters. found: what was read. text: what is there.
    """

    file: str
    edits: int
    found: str
    text: str


@dataclass(frozen=True)
class TranscriptEvaluation:
    """What a model reads in the frames of a split, beside the texts that are there.

    cer, wer: edits a character, and a word, of these texts, as jiwer counts them. exact: the part of the texts that are
    read as they are. loss: mean nats of a label. worst: of those that are not, the ones with the most edits.
    """

    sequences: int
    cer: float
    wer: float
    exact: float
    loss: float
    worst: tuple[Misread, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return asdict(self) | {"worst": [asdict(each) for each in self.worst]}


def evaluate_transcripts(
    model: Model,
    transcription: Transcription,
    config: TrainConfig,
    corpus: Corpus,
    split: str = "valid",
    *,
    hearing: Hearing | None = None,
    on_progress: Callable[[int, int], None] = lambda done, sequences: None,
) -> TranscriptEvaluation:
    """How well a model reads the texts of a split.

    transcription: the model's; labels and frames have to be those of the corpus. config: it was trained with.
    hearing: how texts are found; None: greedily. on_progress: called with the sequences that were read and those there
    are.
    Raises DataError: other labels, frames or columns, an empty split, a sequence that no window holds; CorpusError: a
    text that does not fit its frames; UsageError: what is no model, transcription, configuration or corpus;
    GpurnnError: a loss that is not finite.
    """
    kinds = (("model", Model, model), ("transcription", Transcription, transcription))
    for name, kind, value in (*kinds, ("config", TrainConfig, config), ("corpus", Corpus, corpus)):
        expect_kind(name, kind, value)
    expect_frames(transcription, corpus)
    part = part_of(corpus, split, "frames")
    loss, count = _loss(model, transcription, corpus, part), len(part.documents)
    errors, wrong = TextErrors(), list[tuple[int, int, str, str]]()
    sequences = strings_of(part, transcription.columns)
    hearing = hearing or Hearing(len(transcription.vocabulary), scores=False)
    said = beside(Transcriber(model, config).log_probabilities, sequences)
    for number, (heard, labels) in enumerate(beside(hearing.texts, said)):
        found, text = transcription.text_of(heard[0].labels), transcription.text_of(labels)
        edits = errors.add(found, text)
        if edits:
            wrong = nsmallest(_WORST, [*wrong, (-edits, number, found, text)])
        on_progress(number + 1, count)
    return TranscriptEvaluation(
        sequences=count,
        cer=errors.symbols.rate,
        wer=errors.words.rate,
        exact=errors.right / count,
        loss=loss,
        worst=tuple(Misread(_file(corpus, part, number), -edits, *texts) for edits, number, *texts in wrong),
    )


def expect_frames(transcription: Transcription, corpus: Corpus) -> None:
    """Raises DataError where a corpus has no frames with texts, or others than a model was trained with."""
    expect_corpus_of("frames", corpus)
    other = transcription.differs(Transcription.of(corpus))
    if other:
        raise DataError(
            f"{corpus.path}: its {other} are not those that the model was trained with; prepare it with `vocab_from`"
        )


def _loss(model: Model, transcription: Transcription, corpus: Corpus, part: Split) -> float:
    """Mean nats of a label."""
    steps = rounded_up(longest_sequence(part))
    lanes = max(1, _CELLS // steps)
    stream = StringStream(
        corpus, part.name, lanes=lanes, steps=steps, columns=transcription.columns, epochs=1, prefetch=False
    )
    return mean_loss(model, stream, part.name)


def _file(corpus: Corpus, part: Split, number: int) -> str:
    """What the frames of a sequence come from, or its number where nobody says."""
    if corpus.manifest.keys is None:
        return str(number)
    return corpus.key_names[int(part.keys(number, 1)[0])]
