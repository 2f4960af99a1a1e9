"""A trained model out of a run or a checkpoint, for those who only want to use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gpurnn.backend import Backend
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.network import Model
from gpurnn.training.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.session import load_checkpoint
from gpurnn.training.snapshot import Language, load_config, load_language, load_model


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


def load_trained(be: Backend, source: Path, which: str, on_warning: Callable[[str], None]) -> Trained:
    """The model in a checkpoint of a run.

    source: a run directory or a checkpoint. which: "best" (the last one where there is no best), "last", or a file.
    on_warning: called with one line where a damaged checkpoint was passed over.
    Raises RunError, CheckpointError: a run or checkpoint that is missing, damaged, or does not fit together.
    """
    checkpoint = load_checkpoint(source, which, on_warning)
    try:
        config, language = load_config(checkpoint), load_language(checkpoint)
    except (UsageError, DataError) as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from None
    _refuse_misfit(checkpoint, config, language)
    model = load_model(be, checkpoint)
    own = replace(  # copies, so that the file's bytes are let go
        language,
        start_symbols=language.start_symbols.astype(np.int64),
        start_counts=language.start_counts.astype(np.int64),
    )
    return Trained(model, own, config, replace(checkpoint, tensors={}))


def _refuse_misfit(checkpoint: Checkpoint, config: TrainConfig, language: Language) -> None:
    """Raises CheckpointError unless the header describes what the file holds, before memory is taken for it."""
    path, tensors, model = checkpoint.path, checkpoint.tensors, config.model
    if model.layers > len(tensors):
        raise CheckpointError(f"{path}: its header says {model.layers} layers, the file has {len(tensors)} tensors")
    for spec in model.specs():
        shape = tensors[spec.name].shape if spec.name in tensors else None
        if shape != spec.shape:
            raise CheckpointError(f"{path}: {spec.name}: expected {spec.shape}, found {shape or 'no such tensor'}")
    if len(language.vocabulary) != model.symbols:
        raise CheckpointError(
            f"{path}: its vocabulary has {len(language.vocabulary)} symbols, its output {model.symbols}"
        )
    counts = language.start_counts
    if any(array.dtype.kind not in "iu" for array in (language.start_symbols, counts)) or np.any(counts < 1):
        raise CheckpointError(f"{path}: starts: expected symbols and how often each was seen, both whole numbers")
