"""`gpurnn.load` and `gpurnn.evaluate`: a trained model, to generate, to be measured, to be kept and looked at."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from gpurnn import backend
from gpurnn.api.arguments import AnyPath, known_keywords, path_of
from gpurnn.api.labels import labels_of
from gpurnn.api.table import table_of_parts
from gpurnn.api.transcribe import transcripts_of, words_of
from gpurnn.api.translate import translations_of
from gpurnn.api.uses import expect_use
from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Cursor, Window
from gpurnn.data.text.language import Language
from gpurnn.evaluation.trained import Found, evaluate_trained
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.fromvector import generator_of
from gpurnn.generation.generate import Generator
from gpurnn.generation.prompt import Prompt
from gpurnn.network import Model
from gpurnn.settings import Size, checked
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.load import Trained, load_trained
from gpurnn.training.model_file import write_model
from gpurnn.training.session import open_corpus

_logger = logging.getLogger("gpurnn")


class TrainedModel:
    """A trained model, as `gpurnn.load` gives it.

    model: the network with its parameters, which computes on `model.be`. config: what it was trained with.
    """

    def __init__(self, trained: Trained) -> None:
        self.model: Model = trained.model
        self.config: TrainConfig = trained.config
        self._trained = trained

    @property
    def language(self) -> Language:
        """Of a model of text, what turns text into its symbols and back: `language.vocabulary.encode("text")`.

        Raises DataError for a model of measured series.
        """
        return self._trained.language

    @property
    def labelling(self) -> Labelling:
        """Of a model of labels or tags, what these are: `labelling.labels`, by the number of the output.

        Raises DataError for other models.
        """
        return self._trained.labelling

    @property
    def forecast(self) -> Forecast:
        """Of a model of measured series, what it forecasts; `forecast.columns` says what its rows are.

        Raises DataError for a model of text.
        """
        return self._trained.forecast

    def forecaster(self) -> Forecaster:
        """What forecasts from rows as they come: its `step(row)` takes one and gives `forecast.names`.

        Raises DataError for a model of text.
        """
        expect_use(self._trained, "forecaster")
        return Forecaster(self.model, self.forecast)

    @known_keywords
    def label(self, inputs: Iterable[Any], probabilities: bool = False) -> list[Any]:
        """Of a model of labels the label of each input; of tags, for each input a list of the tags of its steps.

        With their probabilities it is a pair instead of a name: ("positive", {"positive": 0.9, "negative": 0.1}).
        Raises DataError for other models, for an input that is empty and for one that is longer than the model reads;
        UsageError.

        inputs: Texts; of tags, sentences, each a list of words; of rows of numbers arrays (n, F), as they were
            measured, NaN where a number is missing.
        probabilities: Whether the probability of each label is said, too.
        """
        expect_use(self._trained, "label")
        return labels_of(self._trained, inputs, probabilities)

    @known_keywords
    def translate(
        self, sources: Iterable[Any], beam: int = 1, n_best: int = 1, max_length: int | None = None
    ) -> list[Any]:
        """Of a model of pairs the text that is made of each source; of captions, of each vector.

        With several of each it is a list of them instead, the likeliest first, each with the logarithm of its
        probability: [("aems", -0.4), ("ams", -1.9)]. Symbols that the model has not met are read as unknown.
        Raises DataError for other models and for a source that is empty; UsageError.

        sources: Texts; of captions vectors, each of as many numbers as those that the model was trained on.
        beam: How many texts of a source are followed at a time; with 1 always the likeliest next symbol is taken.
        n_best: How many texts of each source; at most the beam.
        max_length: Symbols at which a text is cut, its end among them; unless given 10 more than twice its source.
        """
        expect_use(self._trained, "translate")
        return translations_of(self._trained, sources, beam, n_best, max_length)

    @known_keywords
    def transcribe(
        self,
        inputs: Iterable[Any],
        beam: int | None = None,
        n_best: int = 1,
        *,
        lm: AnyPath | None = None,
        lm_weight: float | None = None,
        words: AnyPath | Sequence[str] | None = None,
        times: bool = False,
    ) -> list[Any]:
        """Of a model of frames the text that is heard in each input.

        With several of each it is a list of them instead, the likeliest first, each with its score: [("47", -0.1),
        ("41", -2.3)], log P(text | frames) and, weighted, what the language model says. With times, where the symbols
        of a text begin comes behind it: ("47", [0.12, 0.31]), in seconds of sound, else in frames from 0.
        Raises DataError for other models, and for what cannot be read, used as a language model, or heard; UsageError.

        inputs: Paths of files as the model was trained on; or arrays (n, F), a row for each frame as such files have
            them.
        beam: How many texts of an input are followed at a time; with 1 always the likeliest label is taken. Unless
            given 1, but 8 with a language model or words.
        n_best: How many texts of each input; at most the beam.
        lm: A run of a model of text, which says what texts are likely; it was trained on a text a line.
        lm_weight: How much that counts beside the frames; 0.5 unless given.
        words: Texts have no other words than these, a list, or those in this file, with white space between them.
        times: Whether it is said where symbols begin.
        """
        expect_use(self._trained, "transcribe")
        run, listed = None if lm is None else path_of("lm", lm), words_of(words)
        return transcripts_of(
            self._trained, inputs, times, beam=beam, n_best=n_best, lm=run, lm_weight=lm_weight, words=listed
        )

    @known_keywords
    def generate(
        self,
        prompt: Prompt = "",
        length: int = 1000,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: str | bytes | None = None,
        vector: Any | None = None,
    ) -> str | bytes:
        """New text, without the prompt that it goes on from: bytes from a model of bytes, str from any other.

        Of a model of captions it is made from a vector, and ends by itself. Raises UsageError, DataError (a prompt with
        a symbol that the vocabulary lacks).

        prompt: The text to go on from, not repeated; without one the text begins as the documents of the corpus do.
        length: Symbols to make; 0: until stopped.
        temperature: Lower: likelier text, less variety; 0: always the likeliest symbol.
        top_k: Draw from the K likeliest symbols; 0: all.
        top_p: Draw from the fewest likeliest symbols that have probability P together.
        seed: The same seed, the same text; another each time unless given.
        stop: End before this text.
        vector: Of a model of captions: what the text is made from, instead of a prompt; the numbers of one vector.
        """
        expect_use(self._trained, "generate")
        if length == 0 and stop is None:
            raise UsageError("length: with 0 the text never ends; give a length, or a text to stop at")
        generator = generator_of(self._trained, vector, prompted=prompt != "")
        if isinstance(generator, Generator):
            generator.read(prompt)
        pieces = generator.pieces(
            length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop
        )
        empty: Any = b"" if generator.vocabulary.kind == "bytes" else ""
        return cast("str | bytes", empty.join(pieces))

    @known_keywords
    def evaluate(
        self,
        corpus: AnyPath | None = None,
        split: str = "valid",
        *,
        lanes: int = 1,
        plot: AnyPath | None = None,
        beam: int | None = None,
        lm: AnyPath | None = None,
        lm_weight: float | None = None,
        words: AnyPath | Sequence[str] | None = None,
    ) -> Found:
        """See `gpurnn.evaluate`. corpus: None: the one that it was trained on, where a run says which that is."""
        trained, picture = self._trained, None if plot is None else path_of("plot", plot, file=True)
        opened = open_corpus(trained.checkpoint) if corpus is None else Corpus.open(path_of("corpus", corpus))
        with opened:
            return evaluate_trained(
                trained,
                opened,
                split,
                lanes=lanes,
                plot=picture,
                beam=checked("beam", Size | None, beam),
                lm=None if lm is None else path_of("lm", lm),
                lm_weight=lm_weight,
                words=words_of(words),
            )

    def save(self, path: AnyPath) -> None:
        """Write one file that `gpurnn.load` and the commands read: parameters, configuration, what its symbols mean.

        It needs nothing of the run. Readers find the old file or the whole new one; what `path` leads to is replaced
        where it is a regular file. Raises UsageError, CheckpointError.
        """
        write_model(path_of("path", path, file=True), self.model, self._trained.meaning, self.config)

    def __call__(self, x: Any) -> np.ndarray:
        """The outputs o (T, B, K), before the loss, of T steps of B sequences, each from its beginning.

        x: what the input part reads, on the host, as the outputs are: (T, B) symbols, whole numbers; or (T, B, F) real
        numbers. For looking: it allocates all that such a window takes. Raises UsageError for other arrays.
        """
        model, fields = self.model, self.model.parts[0].fields
        if len(fields) != 1:
            raise UsageError(f"x: the input reads {len(fields)} fields; load a window of them with a Feed instead")
        read = fields[0]
        try:
            array = np.asarray(x)
        except (TypeError, ValueError):  # rows of several lengths, an array of a device
            raise UsageError(f"x: expected an array on the host, found a {type(x).__name__} that is none") from None
        steps, lanes = array.shape[:2] if array.ndim > 1 else (0, 0)
        kinds = "iu" if read.kind == "index" else "fiu"
        if array.shape != read.shape(steps, lanes) or not array.size or array.dtype.kind not in kinds:
            shape = "(T, B, F)" if read.width else "(T, B)"
            raise UsageError(f"x: expected {read}, {shape}, found {array.shape} {array.dtype}")
        workspace = model.workspace(lanes, steps, train=False)
        Feed(model.be, workspace.batch).load(_window(model.fields, read.name, array))
        model.forward(workspace, model.state(lanes))
        return model.be.to_host(workspace.o).reshape(steps, lanes, -1)

    def __repr__(self) -> str:
        meaning, config, be = self._trained.meaning, self.config.model, self.model.be
        if isinstance(meaning, Language):
            of = f"{len(meaning.vocabulary):,} {meaning.vocabulary.kind}"
        elif isinstance(meaning, Labelling):
            of = f"{meaning.inputs:,} {'columns' if meaning.vocabulary is None else meaning.vocabulary.kind}"
            of = f"{of} that gives {len(meaning.labels):,} {meaning.what}"
        elif isinstance(meaning, PairLanguage):
            source = meaning.source
            of = f"{meaning.vectors:,} numbers" if source is None else f"{len(source):,} {source.kind}"
            of = f"{of} that makes {len(meaning.vocabulary):,} {meaning.vocabulary.kind}"
        elif isinstance(meaning, Transcription):
            of = f"{meaning.inputs:,} columns that reads {len(meaning.vocabulary):,} {meaning.vocabulary.kind}"
        else:
            of = f"{meaning.inputs:,} columns that forecasts {', '.join(self.forecast.names)}"
        head = f"{config.cell} of {of}, {config.dtype}, on {be.device}"
        return f"{head}\n{table_of_parts(self.model.parts)}"


def _window(fields: Iterable[Field], name: str, x: np.ndarray) -> Window:
    """Whole sequences, from their first step on, with `x` as the field `name` and 0 in all others."""
    shape = steps, lanes = x.shape[0], x.shape[1]
    dtypes = {"index": np.int32, "real": np.float64}
    arrays = {field.name: np.zeros(field.shape(*shape), dtypes[field.kind]) for field in fields}
    whole_for_real = arrays[name].dtype.kind == "f" and x.dtype.kind in "iu"
    arrays[name] = x.astype(np.float64) if whole_for_real else x
    carry = np.ones(shape, np.float32)
    carry[0] = 0
    weight = np.ones(shape, np.float32)
    return Window(
        index=0,
        epoch=0,
        carry=carry,
        weight=weight,
        has_boundary=True,
        uniform=True,
        weight_sum=float(steps * lanes),
        cursor=Cursor(1, lanes, steps, 0),
        fields=arrays,
    )


@known_keywords
def load(source: AnyPath, device: str = "auto", checkpoint: AnyPath = "best") -> TrainedModel:
    """A trained model out of a run, a checkpoint, or a file that its `save` wrote.

    Where a damaged checkpoint is passed over, the logger `gpurnn` says so. Raises RunError, CheckpointError,
    BackendError, UsageError.

    source: The folder of a run, or what `gpurnn.train` returned; or a file.
    device: cpu, cuda or cuda:N; auto: a GPU where there is one.
    checkpoint: Which one of the run: best, last or a file; best is the last one where there was no validation.
    """
    which = str(path_of("checkpoint", checkpoint))
    return TrainedModel(
        load_trained(path_of("source", source), backend.get(device), checkpoint=which, on_warning=_logger.warning)
    )


@known_keywords
def evaluate(
    run: AnyPath,
    corpus: AnyPath | None = None,
    split: str = "valid",
    *,
    lanes: int = 1,
    plot: AnyPath | None = None,
    beam: int | None = None,
    lm: AnyPath | None = None,
    lm_weight: float | None = None,
    words: AnyPath | Sequence[str] | None = None,
    checkpoint: AnyPath = "best",
    device: str = "auto",
) -> Found:
    """How well a run predicts a split of a corpus: what `gpurnn evaluate --json` says, as attributes.

    Of text, every token of the split but its first and those that begin a document is predicted once, from all of the
    text before it. Of measured series, every known number that is to be forecast counts, beside what simple forecasts
    make of it. Of labels and tags, each one counts, beside what simple guesses find. Of pairs and
    captions, each source is made a text of, as `translate` makes it. Raises RunError, CheckpointError, DataError,
    BackendError, UsageError; GpurnnError: a loss that is not finite, or a picture without matplotlib.

    run: The folder of a run, or what `gpurnn.train` returned; or a checkpoint, or what a model's `save` wrote.
    corpus: The one it was trained on unless given.
    split: Which part of the corpus: train, valid or test.
    lanes: Stretches of a text read side by side: faster, but each begins with a state of zeros.
    plot: Draw forecast and truth of a series into this file, .svg or .png; needs matplotlib.
    beam: How many texts of a source of pairs, or of frames, are followed at a time; with 1, as unless given, always the
        likeliest next symbol is taken. Of frames with a language model or words 8 unless given.
    lm: A run of a model of text, which says what texts of frames are likely; it was trained on a text a line.
    lm_weight: How much that counts beside the frames; 0.5 unless given.
    words: Texts of frames have no other words than those in this file, or list, with white space between them.
    checkpoint: Which one of the run: best, last or a file; best is the last one where there was no validation.
    device: cpu, cuda or cuda:N; auto: a GPU where there is one.
    """
    model = load(path_of("run", run), device, checkpoint)
    return model.evaluate(corpus, split, lanes=lanes, plot=plot, beam=beam, lm=lm, lm_weight=lm_weight, words=words)
