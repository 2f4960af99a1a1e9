"""A trained model as one file of its own: what it takes to use it, and nothing of the run that it comes from.

The file has the format of a checkpoint (see `gpurnn.runs.checkpoint`) and holds of it the parameters, those that were
validated; what is kept of the corpus, see `gpurnn.training.meaning`; and in its header `config`, `corpus` without path
and fingerprint, the `versions` that wrote it, and `model_file`, the version of this format. Whatever reads the model of
a checkpoint reads that of such a file too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import gpurnn
from gpurnn.exceptions import CheckpointError
from gpurnn.network import Model
from gpurnn.runs.checkpoint import Checkpoint, NewerFormatError, write_checkpoint
from gpurnn.runs.strictjson import Json
from gpurnn.training.config import TrainConfig
from gpurnn.training.meaning import Meaning, described

VERSION = 1


def write_model(path: Path, model: Model, meaning: Meaning, config: TrainConfig) -> None:
    """Write a model to `path` so that a reader finds the old file or the whole new one.

    meaning: what its steps are. config: what it was trained with. What `path` leads to
    is replaced where it is a regular file.
    Raises UsageError, CheckpointError.
    """
    write_network(path, model, config, described(meaning), meaning.to_arrays())


def write_network(
    path: Path, model: Model, config: TrainConfig, corpus: dict[str, Json], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """The same of what is said otherwise of what it was trained on. corpus: in the header; arrays: by name."""
    parameters = {name: model.be.to_host(array) for name, array in model.params.value.items()}
    header: dict[str, Json] = {
        "model_file": VERSION,
        "config": config.to_json(),
        "corpus": corpus,
        "versions": {"gpurnn": gpurnn.__version__},
    }
    write_checkpoint(path, {**parameters, **arrays}, header, "model")


def is_model_file(checkpoint: Checkpoint) -> bool:
    """Whether a file is such a model, not a checkpoint of a run. Raises CheckpointError for one of a newer version."""
    version = checkpoint.header.get("model_file")
    if version is None:
        return False
    if type(version) is not int or version < 1:
        raise CheckpointError(f"{checkpoint.path}: model_file: expected a format version, found {version!r:.40}")
    if version > VERSION:
        raise NewerFormatError(
            f"{checkpoint.path}: a model file of format version {version}, this gpurnn reads up to {VERSION}: "
            "use a newer gpurnn"
        )
    return True
