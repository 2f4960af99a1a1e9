"""How a run begins and how it goes on: from a corpus and settings, or from a run directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError, RunError, shell_word
from gpurnn.training.checkpoint import Checkpoint, read_checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.rundir import RunDirectory
from gpurnn.training.snapshot import load_config, versions
from gpurnn.training.trainer import Trainer

Warn = Callable[[str], None]

_WINDOWS_PER_LANE = 16  # a lane shorter than this many windows gives too few updates an epoch


def fitting_lanes(tokens: int, lanes: int, steps: int) -> int:
    """The default number of lanes for so many train tokens: `lanes`, halved until each has enough windows."""
    while lanes > 1 and (tokens - 1) // lanes < _WINDOWS_PER_LANE * steps:
        lanes //= 2
    return lanes


def new_run(
    be: Backend, corpus: Corpus, config: TrainConfig, path: Path, on_warning: Warn, init_from: Path | None = None
) -> Trainer:
    """A trainer in a new run directory at `path`.

    init_from: a run or a checkpoint whose parameters it begins with. Raises RunError where `path` holds anything, and
    CheckpointError where the parameters do not fit; nothing is written then.
    """
    trainer = Trainer(be, corpus, config, RunDirectory(path, on_warning))
    if init_from is not None:
        trainer.initialise_from(load_checkpoint(init_from, "best", on_warning))
    trainer.run_directory = RunDirectory.create(
        path,
        {
            "training": config.to_json(),
            "corpus": {"path": str(corpus.path.resolve()), "fingerprint": corpus.fingerprint},
            "versions": versions(be),
        },
        on_warning,
    )
    return trainer


def resumed_run(
    be: Backend,
    path: Path,
    on_warning: Warn,
    corpus: Corpus | None = None,
    *,
    log_every: int | None = None,
    validate_every: int | None = None,
    allow_inexact: bool = False,
) -> Trainer:
    """A trainer that goes on exactly where the last checkpoint of a run stood.

    corpus: where it has moved; the run's own path otherwise. log_every, validate_every: cadences from now on.
    Raises RunError where the bits would not be the same as without the stop, naming what differs; `allow_inexact` turns
    that into a warning.
    """
    run = RunDirectory.open(path, on_warning)
    checkpoint = run.load("last")
    config = load_config(checkpoint)
    wanted = TrainConfig.from_json(run.read_config().get("training"), f"{path / 'config.json'}: training")
    differences = [f"{d} (checkpoint, config.json)" for d in config.differences(wanted)]
    header = checkpoint.header
    was = header.get("versions")
    now = versions(be)
    if not isinstance(was, dict):
        raise CheckpointError(f"{checkpoint.path}: versions are missing from the header; is it a gpurnn checkpoint?")
    differences += [f"{k}: was {was.get(k)}, is {now.get(k)}" for k in sorted({*was, *now}) if was.get(k) != now.get(k)]
    corpus = open_corpus(checkpoint) if corpus is None else corpus
    described = header.get("corpus")
    if not isinstance(described, dict) or corpus.fingerprint != described.get("fingerprint"):
        raise RunError(
            f"{corpus.path}: not the corpus that {path} was trained on; "
            f"start a new run with --init-from {shell_word(path)}"
        )
    if differences:
        told = f"{path}: not the same bits as before: " + "; ".join(differences)
        if not allow_inexact:
            raise RunError(f"{told}; go on all the same with --allow-inexact")
        on_warning(told)
    config = replace(
        config,
        log_every=config.log_every if log_every is None else log_every,
        validate_every=config.validate_every if validate_every is None else validate_every,
    )
    trainer = Trainer(be, corpus, config, run)
    trainer.restore(checkpoint)
    return trainer


def open_corpus(checkpoint: Checkpoint) -> Corpus:
    """The corpus that a checkpoint was trained on, from where it was then."""
    corpus = checkpoint.header.get("corpus")
    path = corpus.get("path") if isinstance(corpus, dict) else None
    if not isinstance(path, str):
        raise CheckpointError(f"{checkpoint.path}: the path of its corpus is missing from the header; name the corpus")
    if not Path(path).exists():
        raise RunError(f"{path}: the corpus of {checkpoint.path} is no longer there; name where it is now")
    return Corpus.open(path)


def load_checkpoint(source: Path, which: str, on_warning: Warn) -> Checkpoint:
    """A checkpoint of a run ("best" or "last" of the folder `source`), or the file `source`, or the file `which`."""
    if which not in ("best", "last"):
        return read_checkpoint(Path(which))
    if source.is_file():
        return read_checkpoint(source)
    return RunDirectory.open(source, on_warning).load(which)
