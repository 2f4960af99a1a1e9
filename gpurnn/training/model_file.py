"""A trained model as one file of its own: what it takes to use it, and nothing of the run that it comes from.

The file has the format of a checkpoint (see `gpurnn.runs.checkpoint`) and holds of it the parameters, those that were
validated; what is kept of the corpus, see `gpurnn.training.meaning`; and in its header `config`, `corpus` without path
and fingerprint, the `versions` that wrote it, and `model_file`, the version of this format. Whatever reads the model of
a checkpoint reads that of such a file too.
"""

from __future__ import annotations

from pathlib import Path

import gpurnn
from gpurnn.exceptions import CheckpointError
from gpurnn.files.durable import write_durably
from gpurnn.files.errors import reported_as
from gpurnn.network import Model
from gpurnn.runs.checkpoint import Checkpoint, NewerFormatError, encode_checkpoint
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
    parameters = {name: model.be.to_host(array) for name, array in model.params.value.items()}
    header: dict[str, Json] = {
        "model_file": VERSION,
        "config": config.to_json(),
        "corpus": described(meaning),
        "versions": {"gpurnn": gpurnn.__version__},
    }
    chunks = encode_checkpoint(parameters | meaning.to_arrays(), header)
    with reported_as(CheckpointError, f"cannot write model {path}"):
        write_durably(path, chunks)


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
