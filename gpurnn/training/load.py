"""A trained model out of a run or a checkpoint, for those who only want to use it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.text.language import Language
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.network import Model
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.origin import load_checkpoint
from gpurnn.training.snapshot import load_config, load_meaning, load_model

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds, as far as it is needed to use it.

    model: with its parameters. meaning: what its symbols, or the numbers of its rows, are. config: what it was trained
    with. checkpoint: its path and header; the tensors are left out.
    """

    model: Model
    meaning: Language | Columns
    config: TrainConfig
    checkpoint: Checkpoint

    @property
    def language(self) -> Language:
        """What turns text into symbols and back. Raises DataError for a model that is not one of text."""
        if not isinstance(self.meaning, Language):
            raise DataError(f"{self.checkpoint.path}: a model of measured series, not of text")
        return self.meaning

    @property
    def forecast(self) -> Forecast:
        """What is forecast, and by its `columns` what a row means. Raises DataError for a model of text."""
        if not isinstance(self.meaning, Columns):
            raise DataError(f"{self.checkpoint.path}: a model of text, not of measured series")
        return Forecast(self.meaning, self.config.target, self.config.ahead)


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
    try:
        meaning = load_meaning(loaded)
    except DataError as error:
        raise CheckpointError(f"{loaded.path}: {error}") from None
    _expect_widths(loaded, config, meaning)
    model = load_model(be or backend.get("auto"), loaded)
    if isinstance(meaning, Language):
        meaning = replace(  # copies, so that the bytes of the file can be freed
            meaning,
            start_symbols=meaning.start_symbols.astype(np.int64),
            start_counts=meaning.start_counts.astype(np.int64),
        )
    return Trained(model, meaning, config, replace(loaded, tensors={}))


def _expect_widths(loaded: Checkpoint, config: TrainConfig, meaning: Language | Columns) -> None:
    """Raises CheckpointError where the network reads, or hands out, something else than its corpus has."""
    model = config.model
    if isinstance(meaning, Language):
        symbols = len(meaning.vocabulary)
        if symbols != model.symbols:
            raise CheckpointError(f"{loaded.path}: its vocabulary has {symbols} symbols, its output {model.symbols}")
        return
    try:
        outputs = Forecast(meaning, config.target, config.ahead).width * max(1, len(model.quantiles))
    except UsageError as error:
        raise CheckpointError(f"{loaded.path}: config: {error}") from None
    found, expected = (model.input_width, model.output_width), (meaning.inputs, outputs)
    if found != expected:
        raise CheckpointError(
            f"{loaded.path}: its columns and targets are {expected[0]} and {expected[1]}, its network has {found[0]} "
            f"and {found[1]}"
        )
