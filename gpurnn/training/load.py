"""A trained model out of a run or a checkpoint, for those who only want to use it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.text.language import Language
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.network import Model
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.meaning import Meaning, in_words, kind_of, load_meaning
from gpurnn.training.origin import load_checkpoint
from gpurnn.training.snapshot import load_config, load_model

_logger = logging.getLogger(__name__)
_M = TypeVar("_M", Language, Columns, Labelling, PairLanguage, Transcription)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds, as far as it is needed to use it.

    model: with its parameters. meaning: what its steps are. config: what it was trained with. checkpoint: its path and
    header; the tensors are left out.
    """

    model: Model
    meaning: Meaning
    config: TrainConfig
    checkpoint: Checkpoint

    @property
    def language(self) -> Language:
        """What turns text into symbols and back. Raises DataError for a model that is not one of text."""
        return self._expected(Language, "text")

    @property
    def forecast(self) -> Forecast:
        """What is forecast, and by its `columns` what a row means. Raises DataError for a model that forecasts none."""
        return Forecast(self._expected(Columns, "measured series"), self.config.target, self.config.ahead)

    @property
    def labelling(self) -> Labelling:
        """Its labels or tags, and what a step is. Raises DataError for a model that has none."""
        return self._expected(Labelling, "labels or tags")

    @property
    def pairs(self) -> PairLanguage:
        """What it makes, and from what. Raises DataError for a model that is not one of pairs or captions."""
        return self._expected(PairLanguage, "pairs or captions")

    @property
    def transcription(self) -> Transcription:
        """How files become frames, and which labels it spells. Raises DataError for a model that is not of frames."""
        return self._expected(Transcription, "frames")

    def _expected(self, kind: type[_M], called: str) -> _M:
        if not isinstance(self.meaning, kind):
            raise DataError(f"{self.checkpoint.path}: a model of {in_words(kind_of(self.meaning))}, not of {called}")
        return self.meaning


def load_trained(
    source: str | Path,
    be: Backend | None = None,
    *,
    checkpoint: str = "best",
    on_warning: Callable[[str], None] = _logger.warning,
) -> Trained:
    """The model in a checkpoint of a run.

    source: a run directory or a checkpoint. be: where it computes; None: the best device that there is. checkpoint:
    "best" (the last one where there is no best), "last", or a file. on_warning: called with one line where a damaged
    checkpoint was passed over.
    Raises RunError, CheckpointError: a run or checkpoint that is missing, damaged, or does not fit together.
    """
    loaded = load_checkpoint(Path(source), checkpoint, on_warning)
    config = load_config(loaded)
    meaning = load_meaning(loaded)
    _expect_widths(loaded, config, meaning)
    model = load_model(be or backend.get("auto"), loaded)
    if isinstance(meaning, Language):
        meaning = replace(  # copies, so that the bytes of the file can be freed
            meaning,
            start_symbols=meaning.start_symbols.astype(np.int64),
            start_counts=meaning.start_counts.astype(np.int64),
        )
    return Trained(model, meaning, config, replace(loaded, tensors={}))


def _expect_widths(loaded: Checkpoint, config: TrainConfig, meaning: Meaning) -> None:
    """Raises CheckpointError where the network reads, or hands out, something else than its corpus has."""
    model = config.model
    if isinstance(meaning, Language):
        symbols = len(meaning.vocabulary)
        if symbols != model.symbols:
            raise CheckpointError(f"{loaded.path}: its vocabulary has {symbols} symbols, its output {model.symbols}")
        return
    if isinstance(meaning, PairLanguage):
        source = 0 if meaning.source is None else len(meaning.source)
        if (source, meaning.vectors) != (model.source, model.vectors):
            raise CheckpointError(
                f"{loaded.path}: its corpus has a source of {source} symbols and vectors of {meaning.vectors}, its "
                f"network {model.source} and {model.vectors}"
            )
        expected = meaning.symbols, meaning.symbols
    elif isinstance(meaning, Labelling):
        expected = meaning.inputs, len(meaning.labels)
    elif isinstance(meaning, Transcription):
        expected = meaning.inputs, meaning.outputs
    else:
        try:
            outputs = Forecast(meaning, config.target, config.ahead).width * max(1, len(model.quantiles))
        except UsageError as error:
            raise CheckpointError(f"{loaded.path}: config: {error}") from None
        expected = meaning.inputs, outputs
    found = model.input_width, model.output_width
    if found != expected:
        raise CheckpointError(
            f"{loaded.path}: its corpus has {expected[0]} inputs and {expected[1]} outputs, its network {found[0]} and "
            f"{found[1]}"
        )
