"""`gpurnn train`: train a network on a corpus, or go on with a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from threadpoolctl import threadpool_limits

from gpurnn import backend
from gpurnn.backend import PRECISIONS
from gpurnn.cli.console import message, warn
from gpurnn.cli.options import PATH, SectionedCommand, flag_of, is_given, settings_of
from gpurnn.cli.progress import LiveLine, stuck_lanes
from gpurnn.cli.train_options import DEFAULT_MINUTES, train_options
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import UsageError, shell_word
from gpurnn.network import ModelConfig
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.settings import checked
from gpurnn.signals import ending_at_once
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import Learner, windows_per_epoch
from gpurnn.training.loop import skipped_in_words
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.origin import load_checkpoint
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import fitting_geometry, new_run, resumed_run
from gpurnn.training.snapshot import load_config
from gpurnn.training.trainer import Outcome, Trainer

_MAY_CHANGE = (
    *("corpus", "resume", "device", "precision", "tf32", "no_graph", "threads", "allow_inexact"),
    *("epochs", "windows", "minutes", "log_every", "validate_every", "checkpoint_minutes"),
)
"""Parameters that may be given beside --resume."""


@click.command(cls=SectionedCommand)
@click.argument("corpus", required=False, type=PATH)
@train_options
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a network on CORPUS, made by `gpurnn prepare`, into a new run directory; or go on with a run.

    \b
      gpurnn train book.h5 -o runs/book --minutes 10
      gpurnn train --resume runs/book --minutes 10

    Ctrl-C finishes the window, writes a checkpoint and says how to go on.
    """
    limits = Limits(**settings_of(ctx, Limits))
    if limits == Limits():
        limits = Limits(minutes=DEFAULT_MINUTES)
    with threadpool_limits(given["threads"], "blas"):
        trainer = _resume(ctx, given) if given["resume"] else _start(ctx, given)
        with trainer.learner.corpus:
            outcome = _run(trainer, limits, given["checkpoint_minutes"])
    _tell_end(outcome, trainer, given)
    ctx.exit(outcome.exit_code)


def _start(ctx: click.Context, given: dict[str, Any]) -> Trainer:
    if given["corpus"] is None or given["output"] is None:
        raise UsageError("train: expected a corpus and -o RUN, or --resume RUN; see gpurnn train --help")
    precision = _precision(ctx, given) or PRECISIONS[0]
    corpus = Corpus.open(given["corpus"])
    begun = load_checkpoint(given["init_from"], "best", warn) if given["init_from"] else None
    config = _config(ctx, given, corpus, begun)
    model = config.model
    if precision == "bf16" and model.dtype != "float32":
        raise UsageError(f"train: --precision bf16 is for float32 and the numbers are {model.dtype}; leave it out")
    be = _backend(given, precision)
    _tell_of_short_text(given, corpus, config)
    trainer = new_run(be, corpus, config, given["output"], warn, begun)
    message(
        f"{model.cell}, {model.layers} x {model.hidden}, {trainer.learner.model.params.count:,} parameters, "
        f"{config.lanes} lanes x {config.bptt} steps, {trainer.learner.windows_per_epoch:,} windows an epoch, "
        f"on {be.device} ({be.reason}){_rounding(be)}"
    )
    return trainer


def _resume(ctx: click.Context, given: dict[str, Any]) -> Trainer:
    for name in given:
        if name not in _MAY_CHANGE and is_given(ctx, name):
            option = "-o" if name == "output" else "--" + name.replace("_", "-")
            raise UsageError(f"train: {option} does not go with --resume; a resumed run keeps its settings")
    asked = _precision(ctx, given)
    trainer = resumed_run(
        lambda own: _backend(given, asked or own),
        given["resume"],
        warn,
        Corpus.open(given["corpus"]) if given["corpus"] else None,
        log_every=given["log_every"] if is_given(ctx, "log_every") else None,
        validate_every=given["validate_every"],
        allow_inexact=given["allow_inexact"],
    )
    rounding = _rounding(trainer.learner.model.be)
    if trainer.run_directory.begun:
        message(f"going on after window {trainer.learner.progress.windows}{rounding}")
    else:
        message(f"{shell_word(given['resume'])} has no checkpoint yet: beginning at its first window{rounding}")
    return trainer


def _precision(ctx: click.Context, given: dict[str, Any]) -> str | None:
    """The precision that is asked for; None: none."""
    asked: str | None = given["precision"] if is_given(ctx, "precision") else None
    if given["tf32"] and asked not in (None, "tf32"):
        raise UsageError(f"train: --tf32 contradicts --precision {asked}; give one of them")
    return "tf32" if given["tf32"] else asked


def _backend(given: dict[str, Any], precision: str) -> backend.Backend:
    return backend.get(given["device"], precision=precision, graphs=not given["no_graph"])


def _rounding(be: backend.Backend) -> str:
    """What is said of products that are not float32's own."""
    return "" if be.precision == PRECISIONS[0] else f", precision {be.precision}"


def _config(ctx: click.Context, given: dict[str, Any], corpus: Corpus, begun: Checkpoint | None) -> TrainConfig:
    """The settings of a new run, from the options, the size of the corpus, and the run that it begins with."""
    lanes, bptt = fitting_geometry(corpus.splits["train"], given["lanes"], given["bptt"])
    model = _model(ctx, corpus, begun)
    plain = settings_of(ctx, TrainConfig) | {"lanes": lanes, "bptt": bptt}
    config = TrainConfig(model, OptimizerConfig(**settings_of(ctx, OptimizerConfig)), **plain)
    epoch = windows_per_epoch(corpus, config)
    every = min(epoch, config.validate_every) if given["validate_every"] is None else config.validate_every
    return replace(config, schedule=_schedule(ctx, given, epoch), validate_every=every)


def _tell_of_short_text(given: dict[str, Any], corpus: Corpus, config: TrainConfig) -> None:
    """One line where the text is too short for the defaults."""
    fewer = [
        (f"{flag} {value}", f"{default}")
        for flag, value, default in (
            ("--lanes", config.lanes, TrainConfig.lanes),
            ("--bptt", config.bptt, TrainConfig.bptt),
        )
        if given[flag[2:]] is None and value < default
    ]
    if fewer:
        options, defaults = (" and ".join(words) for words in zip(*fewer, strict=True))
        message(f"{corpus.splits['train']:,} tokens are few: {options} instead of {defaults}")


def _model(ctx: click.Context, corpus: Corpus, begun: Checkpoint | None) -> ModelConfig:
    """The network that the options describe, or that of the run that it begins with, for which they have to agree."""
    if begun is None:
        return ModelConfig(len(corpus.vocabulary), **settings_of(ctx, ModelConfig))
    theirs, given = load_config(begun).model, settings_of(ctx, ModelConfig, given=True)
    for name, value in given.items():
        other = getattr(theirs, name)
        if value != other and name != "dropout":
            flag = flag_of(ctx, name)
            raise UsageError(
                f"train: {flag} {value} contradicts --init-from: the network of {begun.path} has {other or 'none'}; "
                f"leave {flag} out"
            )
    return replace(theirs, **given)


def _schedule(ctx: click.Context, given: dict[str, Any], windows_per_epoch: int) -> ScheduleConfig:
    decay, epochs = settings_of(ctx, ScheduleConfig), given["decay_epochs"]
    if "decay_windows" in decay and epochs is not None:
        raise UsageError("train: give --decay-windows or --decay-epochs, not both")
    if epochs is not None:
        decay["decay_windows"] = round(checked("--decay-epochs", float, epochs * windows_per_epoch))
    return ScheduleConfig(**decay)


def _run(trainer: Trainer, limits: Limits, checkpoint_minutes: float) -> Outcome:
    with (
        ending_at_once("what was learnt since the last checkpoint is lost"),
        _live_line(limits, trainer.learner) as live,
    ):
        return trainer.run(limits, checkpoint_minutes=checkpoint_minutes, on_line=live.line, on_window=live.window)


@contextmanager
def _live_line(limits: Limits, learner: Learner) -> Iterator[LiveLine]:
    live = LiveLine(limits, learner.windows_per_epoch, learner.progress.windows)
    try:
        yield live
    finally:
        live.close()


def _tell_end(outcome: Outcome, trainer: Trainer, given: dict[str, Any]) -> None:
    """How it went, and how to go on to the same bits: on the same device, with as many threads."""
    same = "".join(f" --{name} {given[name]}" for name in ("device", "threads") if given[name] not in (None, "auto"))
    learner, run = trainer.learner, shell_word(trainer.run_directory.path)
    best = learner.progress.best
    message(f"{outcome.reason}; wrote {shell_word(outcome.checkpoint)}")
    if outcome.skipped:
        message(skipped_in_words(outcome.skipped))
    if outcome.valid is not None:
        told = "validation now: not finite; the model has diverged: start again with a lower --lr or --clip"
        if math.isfinite(outcome.valid):
            told = f"validation now: {outcome.valid:.4f} nats a token"
        if outcome.stuck:
            told += f" ({stuck_lanes(outcome.stuck)})"
        if best is not None:
            told += f"; best: {best:.4f} after window {learner.progress.best_window}"
        message(told)
    message(f"go on:    gpurnn train --resume {run}{same}")
    for split, option in (("valid", ""), ("test", " --split test")):
        if learner.corpus.targets(split):
            message(f"measure:  gpurnn evaluate {run}{option}")
            break
    message(f"generate: gpurnn sample {run} --length 500")
