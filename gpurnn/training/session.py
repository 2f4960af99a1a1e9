"""How a run begins and how it goes on: from a corpus and settings, or from a run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gpurnn.backend import PRECISIONS, Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError, DataError, RunError, shell_word
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.strictjson import Json
from gpurnn.training.config import TrainConfig
from gpurnn.training.learner import Learner
from gpurnn.training.origin import load_checkpoint, load_origin, origin, refuse_other_model
from gpurnn.training.snapshot import load_config, versions
from gpurnn.training.trainer import Trainer

Warn = Callable[[str], None]

_UNSAID: dict[str, Json] = {"precision": PRECISIONS[0]}  # what a backend does not name


def new_run(
    be: Backend,
    corpus: Corpus,
    config: TrainConfig,
    path: Path,
    on_warning: Warn,
    init_from: Path | Checkpoint | None = None,
) -> Trainer:
    """A trainer in a new run directory at `path`.

    init_from: a run or a checkpoint whose parameters it begins with. Raises RunError where `path` holds anything, and
    CheckpointError where the model or the vocabulary is another one, DataError where there is nothing to learn from;
    nothing is written then.
    """
    if not corpus.targets("train"):
        raise DataError(f"{corpus.path}: split train has nothing to predict, every document in it is one token")
    begun = load_checkpoint(init_from, "best", on_warning) if isinstance(init_from, Path) else init_from
    if begun is not None:
        refuse_other_model(begun, config, corpus)
    learner = Learner(be, corpus, config, on_warning)
    written: dict[str, Json] = {
        "training": config.to_json(),
        "corpus": {"path": str(corpus.path.resolve()), "fingerprint": corpus.fingerprint},
        "versions": versions(be),
    }
    if begun is not None:
        learner.initialise_from(begun)
        written["init_from"] = origin(begun)
    run = RunDirectory.create(path, written, on_warning)
    _warn_of_no_validation(learner, on_warning)
    return Trainer(learner, run)


def _warn_of_no_validation(learner: Learner, on_warning: Warn) -> None:
    """One line where what was asked for needs validations that there will not be."""
    config, corpus = learner.config, learner.corpus
    targets = corpus.targets("valid")
    if targets and config.validate_every:
        return
    lost = [f"`patience={config.patience}` never ends training"] if config.patience else []
    if targets:
        why, what = "`validate_every=0`", "use another number"
    else:
        why, what = f"{corpus.path}: split valid has nothing to predict", "prepare the text with `split=0.9,0.1,0`"
        lost += ["there is no best checkpoint"] if config.validate_every else []
    if lost and config.schedule.schedule == "plateau":
        lost.append("`schedule=plateau` never lowers the rate")
    if lost:
        on_warning(f"{why}, so without validations {', and '.join(lost)}; {what}")


def resumed_run(
    be: Backend | Callable[[str], Backend],
    path: Path,
    on_warning: Warn,
    corpus: Corpus | None = None,
    *,
    log_every: int | None = None,
    validate_every: int | None = None,
    allow_inexact: bool = False,
) -> Trainer:
    """A trainer that goes on exactly where the last checkpoint of a run stood, or begins a run that has none yet.

    be: or what makes it, given the run's own precision, see `gpurnn.backend.get`.
    corpus: where it has moved; the run's own path otherwise. log_every, validate_every: cadences from now on.
    Raises RunError where the bits would not be the same as without the stop, naming what differs; `allow_inexact` turns
    that into a warning.
    """
    run = RunDirectory.open(path, on_warning)
    written = run.read_config()
    config = wanted = TrainConfig.from_json(written.get("training"), f"{path / 'config.json'}: training")
    checkpoint = run.load("last") if run.begun else None
    header, source = written, path / "config.json"
    if checkpoint is not None:
        config, header, source = load_config(checkpoint), checkpoint.header, checkpoint.path or path
    differences = [f"{d} (checkpoint, config.json)" for d in config.differences(wanted)]
    was = header.get("versions")
    if not isinstance(was, dict):
        raise CheckpointError(f"{source}: versions are missing; was it written by gpurnn?")
    was = _UNSAID | was
    if not isinstance(be, Backend):
        be = be("tf32" if was.get("tf32") == "on" else str(was["precision"]))
    now = _UNSAID | versions(be)
    differences += [f"{k}: was {was.get(k)}, is {now.get(k)}" for k in sorted({*was, *now}) if was.get(k) != now.get(k)]
    corpus = corpus_of(header, source) if corpus is None else corpus
    described = header.get("corpus")
    if not isinstance(described, dict) or corpus.fingerprint != described.get("fingerprint"):
        raise RunError(
            f"{corpus.path}: not the corpus that {path} was trained on; "
            f"start a new run with `init_from={shell_word(path)}`"
        )
    if differences:
        warning = f"{path}: not the same bits as before: " + "; ".join(differences)
        if not allow_inexact:
            raise RunError(f"{warning}; go on all the same with `allow_inexact`")
        on_warning(warning)
    config = replace(
        config,
        log_every=config.log_every if log_every is None else log_every,
        validate_every=config.validate_every if validate_every is None else validate_every,
    )
    learner = Learner(be, corpus, config, on_warning)
    if checkpoint is not None:
        learner.restore(checkpoint)
    elif "init_from" in written:
        learner.initialise_from(load_origin(written["init_from"], source))
    _warn_of_no_validation(learner, on_warning)
    return Trainer(learner, run)


def open_corpus(checkpoint: Checkpoint) -> Corpus:
    """The corpus that a checkpoint was trained on, from where it was then."""
    return corpus_of(checkpoint.header, checkpoint.path)


def corpus_of(header: Mapping[str, Json], source: Path | None) -> Corpus:
    """The corpus that the header of a checkpoint, or config.json, names. source: where that stands."""
    corpus = header.get("corpus")
    path = corpus.get("path") if isinstance(corpus, dict) else None
    if not isinstance(path, str):
        raise CheckpointError(f"{source}: the path of its corpus is missing; name the corpus")
    if not Path(path).exists():
        raise RunError(f"{path}: the corpus of {source} is no longer there; name where it is now")
    return Corpus.open(path)
