"""The parameters that a new run begins with, when they come from another one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import KINDS as TEXT_KINDS
from gpurnn.exceptions import CheckpointError, RunError, shell_word
from gpurnn.runs.checkpoint import Checkpoint, read_checkpoint
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.strictjson import Json
from gpurnn.training.config import TrainConfig
from gpurnn.training.meaning import in_words, kind_of, load_meaning
from gpurnn.training.snapshot import load_config, validated_parameters

_FREE = {"dropout", "init", "recurrent_init", "forget_bias"}
"""Fields of ModelConfig in which a run may differ from the one whose parameters it begins with."""


def load_checkpoint(source: Path, which: str, on_warning: Callable[[str], None]) -> Checkpoint:
    """A checkpoint of a run ("best" or "last" of the folder `source`), or the file `source`, or the file `which`."""
    if which not in ("best", "last"):
        return read_checkpoint(Path(which))
    if source.is_file():
        return read_checkpoint(source)
    return RunDirectory.open(source, on_warning).load(which)


def refuse_other_model(checkpoint: Checkpoint, config: TrainConfig, corpus: Corpus) -> None:
    """Raises CheckpointError unless a run with these settings, on this corpus, can begin with these parameters."""
    theirs, mine = load_config(checkpoint).model, config.model
    meaning = load_meaning(checkpoint)
    described = checkpoint.header.get("corpus")  # a model in a file has none
    source = described.get("path") if isinstance(described, dict) else None
    known = shell_word(source) if isinstance(source, str) else "CORPUS"
    kind = "text" if corpus.kind in TEXT_KINDS else corpus.kind
    if kind_of(meaning) != kind:
        found = f"its model is one of {in_words(kind_of(meaning))}, {corpus.path} holds {in_words(kind)}"
        raise CheckpointError(f"{checkpoint.path}: {found}; name a run on such")
    if isinstance(meaning, Labelling | PairLanguage | Transcription):
        other = _differs(meaning, corpus)
        if other:
            raise CheckpointError(
                f"{checkpoint.path}: its {other} are not those of {corpus.path}; prepare that with `vocab_from={known}`"
            )
    elif isinstance(meaning, Columns):
        if not meaning.same_inputs(corpus.columns):
            raise CheckpointError(
                f"{checkpoint.path}: its columns, or their scaling, are not those of {corpus.path}; prepare the series "
                f"with the columns of {known}"
            )
    elif meaning.vocabulary.fingerprint != corpus.vocabulary.fingerprint:
        vocabulary = meaning.vocabulary
        raise CheckpointError(
            f"{checkpoint.path}: its vocabulary ({len(vocabulary)} {vocabulary.kind}) is not that of {corpus.path} "
            f"({len(corpus.vocabulary)} {corpus.kind}); prepare the text with `vocab_from={known}`"
        )
    different = [name for name, value in vars(mine).items() if name not in _FREE and getattr(theirs, name) != value]
    if different:
        found = ", ".join(f"{name} {getattr(theirs, name)}, not {getattr(mine, name)}" for name in different)
        raise CheckpointError(f"{checkpoint.path}: its model has {found}; a run that begins with it needs the same")


def _differs(meaning: Labelling | PairLanguage | Transcription, corpus: Corpus) -> str:
    """What is not the same in a corpus, in words; "" where it means the same."""
    if isinstance(meaning, Transcription):
        return meaning.differs(Transcription.of(corpus))
    if isinstance(meaning, Labelling):
        return meaning.differs(Labelling.of(corpus))
    return meaning.differs(PairLanguage.of(corpus))


def origin(checkpoint: Checkpoint) -> Json:
    """What config.json says of the checkpoint that a run began with."""
    assert checkpoint.path is not None, "read from a file"
    return {"checkpoint": str(checkpoint.path.resolve()), "sha256": _digest(checkpoint)}


def load_origin(written: Json, source: Path) -> Checkpoint:
    """The checkpoint that `origin` described in `source`. Raises RunError where it is not there any more."""
    path, digest = (written.get("checkpoint"), written.get("sha256")) if isinstance(written, dict) else (None, None)
    if not isinstance(path, str):
        raise RunError(f"{source}: init_from: expected a checkpoint and its sha256; was it changed by hand?")
    try:
        checkpoint = read_checkpoint(Path(path))
        changed = "" if _digest(checkpoint) == digest else "has other parameters now"
    except CheckpointError as error:
        changed = f"cannot be read: {error}"
    if changed:
        raise RunError(
            f"{source.parent} has no checkpoint yet, and what it was to begin with, {path}, {changed}; "
            "remove that folder and start the run again"
        )
    return checkpoint


def _digest(checkpoint: Checkpoint) -> str:
    """Of the parameters by name: hexadecimal SHA-256."""
    digest = hashlib.sha256()
    for name, array in sorted(validated_parameters(checkpoint).items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
