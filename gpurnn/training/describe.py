"""A run, and a model in a file, as `gpurnn info` tells of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpurnn.data.stream import Cursor
from gpurnn.data.stream.windows import Geometry
from gpurnn.exceptions import GpurnnError
from gpurnn.network import ModelConfig
from gpurnn.network.chain import parts_of, specs_of
from gpurnn.runs.checkpoint import Checkpoint, read_checkpoint
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import read_log
from gpurnn.training.config import TrainConfig, usual_layout
from gpurnn.training.model_file import is_model_file
from gpurnn.training.snapshot import load_config
from gpurnn.training.tasks import TASKS
from gpurnn.training.tasks.base import BOTH_DIRECTIONS


def describe_run(path: Path, on_warning: Callable[[str], None]) -> dict[str, Any]:
    """A run as a dictionary of JSON values.

    Keys: path, model (cell, sizes, parameters), training (optimizer, rates, geometry), corpus, windows, epochs and
    seconds done, loss (the last and the best), checkpoints (the last and the best file), versions.
    Before the first checkpoint nothing is done. on_warning: called with one line on what is damaged.
    Raises RunError, CheckpointError.
    """
    run = RunDirectory.open(path, on_warning)
    checkpoint = run.load("last") if run.begun else None
    written = run.read_config()
    if checkpoint is None:
        config = TrainConfig.from_json(written.get("training"), f"{path}/config.json: training")
    else:
        config = load_config(checkpoint)
    header = written if checkpoint is None else checkpoint.header
    return {
        "path": str(path),
        "model": _model(config),
        "training": _training(config),
        "corpus": _corpus(header),
        **_done(checkpoint),
        "loss": _losses(run, checkpoint, on_warning),
        "checkpoints": {
            "last": None if checkpoint is None else str(checkpoint.path),
            "best": str(run.best) if run.best.exists() else None,
        },
        "versions": _section(header, "versions"),
    }


def describe_model(path: Path) -> dict[str, Any]:
    """A checkpoint, or a file that a model's `save` wrote, as a dictionary of JSON values.

    Keys: path, model, training and versions as in `describe_run`, corpus as far as it is said there; of a checkpoint
    also windows, epochs and seconds done. Raises RunError, CheckpointError.
    """
    checkpoint = read_checkpoint(path)
    config = load_config(checkpoint)
    return {
        "path": str(path),
        "model": _model(config),
        "training": _training(config),
        "corpus": _corpus(checkpoint.header),
        **({} if is_model_file(checkpoint) else _done(checkpoint)),
        "versions": _section(checkpoint.header, "versions"),
    }


def _corpus(header: dict[str, Any]) -> dict[str, Any]:
    corpus = _section(header, "corpus")
    found = {name: corpus[name] for name in ("path", "labelled", "tokens", "fingerprint") if name in corpus}
    form = _section(_section(corpus, "frames"), "form")
    return found | ({"frames": form["kind"]} if "kind" in form else {})


def _section(header: dict[str, Any], name: str) -> dict[str, Any]:
    section = header.get(name)
    return section if isinstance(section, dict) else {}


def _model(config: TrainConfig) -> dict[str, Any]:
    model = config.model
    names = ("cell", "hidden", "layers", "embedding", "symbols", "dropout", "dtype")
    more: dict[str, Any] = {name: getattr(model, name) for name in ("inputs", "vectors") if getattr(model, name)}
    more |= {"source_symbols": model.source} if model.source else {}
    more |= {"both_directions": True} if BOTH_DIRECTIONS in (*model.stack, *model.encoder) else {}
    more |= {name: getattr(model, name) for name in ("attention", "pool") if getattr(model, name)}
    one, two = (_parameters(replace(model, layers=layers)) for layers in (1, 2))
    return (
        {name: getattr(model, name) for name in names} | more | {"parameters": one + (model.layers - 1) * (two - one)}
    )


def _parameters(model: ModelConfig) -> int:
    return sum(math.prod(spec.shape) for spec in specs_of(parts_of(model)))


def _training(config: TrainConfig) -> dict[str, Any]:
    return {
        "optimizer": config.optimizer.optimizer,
        "average": config.optimizer.average,
        "schedule": config.schedule.schedule,
        "rate": config.schedule.lr,
        "lanes": config.lanes,
        "steps": config.bptt,
        "seed": config.seed,
    } | (_forecast(config) if config.target else _reading(config))


def _forecast(config: TrainConfig) -> dict[str, Any]:
    return {"target": list(config.target), "ahead": list(config.ahead), "loss": config.model.head}


def _reading(config: TrainConfig) -> dict[str, Any]:
    """How sequences are read and what their labels cost, where that is not as of text, of pairs or of captions."""
    usual = {"cut": False, "context": 0, "class_weights": (), "scheduled_sampling": 0.0}
    usual["layout"] = usual_layout(config.model.start)
    found = {name: getattr(config, name) for name, value in usual.items() if getattr(config, name) != value}
    found |= {"target_steps": config.target_bptt} if config.target_bptt else {}
    found |= {"class_weights": list(config.class_weights)} if config.class_weights else {}
    return found | ({"label_smoothing": config.model.label_smoothing} if config.model.label_smoothing else {})


def _done(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Windows, epochs and seconds."""
    if checkpoint is None:
        return {"windows": 0, "epochs": 0.0, "seconds": 0.0}
    progress = _section(checkpoint.header, "progress")
    return {
        "windows": progress.get("windows"),
        "epochs": _epochs(progress.get("cursor")),
        "seconds": progress.get("seconds"),
    }


def _epochs(cursor: Any) -> float | None:
    """How often the train split was read."""
    if cursor is None:
        return 0.0
    try:
        at = Cursor.from_json(cursor)
        return at.window / Geometry(at.tokens, at.lanes, at.steps).windows
    except GpurnnError:
        return None


def _losses(run: RunDirectory, checkpoint: Checkpoint | None, on_warning: Callable[[str], None]) -> dict[str, Any]:
    """The last losses that were logged, and the best validation; of some kinds also what was found."""
    losses: dict[str, Any] = {"train": None, "valid": None, "best_valid": None, "best_window": None}
    for line in read_log(run.log, on_warning) if run.log.exists() else ():
        for task in set(TASKS.values()):
            losses["train"] = line.get(task.loss_key, losses["train"])
            losses["valid"] = line.get(task.valid_key, losses["valid"])
        losses |= {name: line[name] for name in (*_FOUND, *_BESIDE) if name in line}
    progress = {} if checkpoint is None else _section(checkpoint.header, "progress")
    best, found = progress.get("best"), [name for name in _FOUND if name in losses]
    if found:
        del losses["best_valid"]
        judged = best if best is None or found[0] == _ERRORS else 1 - best  # see `judged` of the losses
        losses[f"best_{found[0].removeprefix('valid_')}"] = judged
    elif best is not None:
        losses["best_valid"] = best
    return losses | ({} if best is None else {"best_window": progress.get("best_window")})


_ERRORS = "valid_cer"
_FOUND = ("valid_span_f1", "valid_accuracy", "valid_macro_f1", _ERRORS)
"""What the log says of labels and tags that were found, and of frames; the first that is there decides what is best."""
_BESIDE = ("valid_mae", "valid_exact")
"""What it says of series and of pairs that decides nothing."""
