"""A trained model out of a run or a checkpoint, for those who only want to use it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.text.language import Language
from gpurnn.exceptions import CheckpointError, DataError
from gpurnn.network import Model
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.origin import load_checkpoint
from gpurnn.training.snapshot import load_config, load_language, load_model

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds, as far as it is needed to use it.

    model: with its parameters. language: turns text into its symbols and back. config: what it was trained with.
    checkpoint: its path and header; the tensors are left out.
    """

    model: Model
    language: Language
    config: TrainConfig
    checkpoint: Checkpoint


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
        language = load_language(loaded)
    except DataError as error:
        raise CheckpointError(f"{loaded.path}: {error}") from None
    symbols = len(language.vocabulary)
    if symbols != config.model.symbols:
        raise CheckpointError(f"{loaded.path}: its vocabulary has {symbols} symbols, its output {config.model.symbols}")
    model = load_model(be or backend.get("auto"), loaded)
    own = replace(  # copies, so that the bytes of the file can be freed
        language,
        start_symbols=language.start_symbols.astype(np.int64),
        start_counts=language.start_counts.astype(np.int64),
    )
    return Trained(model, own, config, replace(loaded, tensors={}))
