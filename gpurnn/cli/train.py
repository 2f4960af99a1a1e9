"""`gpurnn train`: train a network on a corpus, or go on with a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource
from threadpoolctl import threadpool_limits

from gpurnn import backend
from gpurnn.cli.console import message, warn
from gpurnn.cli.options import PATH, SectionedCommand
from gpurnn.cli.progress import LiveLine, stuck_lanes
from gpurnn.cli.train_options import DEFAULT_DECAY, DEFAULT_MINUTES, train_options
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import UsageError, shell_word
from gpurnn.network import ModelConfig
from gpurnn.signals import ending_at_once
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import windows_per_epoch
from gpurnn.training.loop import skipped_in_words
from gpurnn.training.optim import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import fitting_lanes, new_run, resumed_run
from gpurnn.training.trainer import Outcome, Trainer

_MAY_CHANGE = (
    *("corpus", "resume", "device", "tf32", "no_graph", "threads", "allow_inexact"),
    *("epochs", "windows", "minutes", "log_every", "validate_every", "checkpoint_minutes"),
)
"""Parameters that may be given beside --resume."""
_PLAIN_SETTINGS = (
    *("restart", "seed", "log_every", "validate_windows", "patience", "skip_limit"),
    *("on_divergence", "divergence_nats"),
)
"""Fields of TrainConfig that are options as they are."""


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
    limits = Limits(given["epochs"], given["windows"], given["minutes"])
    if limits == Limits():
        limits = Limits(minutes=DEFAULT_MINUTES)
    with threadpool_limits(given["threads"], "blas"):
        trainer = _resume(ctx, given) if given["resume"] else _start(given)
        with trainer.corpus:
            outcome = _run(trainer, limits, given["checkpoint_minutes"])
    _tell_end(outcome, trainer, given)
    ctx.exit(outcome.exit_code)


def _start(given: dict[str, Any]) -> Trainer:
    if given["corpus"] is None or given["output"] is None:
        raise UsageError("train: expected a corpus and -o RUN, or --resume RUN; see gpurnn train --help")
    corpus = Corpus.open(given["corpus"])
    be = _backend(given)
    config = _config(given, corpus)
    trainer = new_run(be, corpus, config, given["output"], warn, given["init_from"])
    model = config.model
    message(
        f"{model.cell}, {model.layers} x {model.hidden}, {trainer.model.params.count:,} parameters, "
        f"{config.lanes} lanes x {config.steps} steps, {trainer.windows_per_epoch:,} windows an epoch, "
        f"on {be.device} ({be.reason})"
    )
    return trainer


def _resume(ctx: click.Context, given: dict[str, Any]) -> Trainer:
    for name in given:
        if name not in _MAY_CHANGE and _is_given(ctx, name):
            option = "-o" if name == "output" else "--" + name.replace("_", "-")
            raise UsageError(f"train: {option} does not go with --resume; a resumed run keeps its settings")
    trainer = resumed_run(
        _backend(given),
        given["resume"],
        warn,
        Corpus.open(given["corpus"]) if given["corpus"] else None,
        log_every=given["log_every"] if _is_given(ctx, "log_every") else None,
        validate_every=given["validate_every"],
        allow_inexact=given["allow_inexact"],
    )
    message(f"going on after window {trainer.progress.windows}")
    return trainer


def _backend(given: dict[str, Any]) -> backend.Backend:
    return backend.get(given["device"], tf32=given["tf32"], graphs=not given["no_graph"])


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _config(given: dict[str, Any], corpus: Corpus) -> TrainConfig:
    """The settings of a new run, from the options and the size of the corpus."""
    tokens, steps = corpus.splits["train"], given["bptt"]
    lanes = given["lanes"]
    if lanes is None:
        lanes = fitting_lanes(tokens, 32, steps)
        if lanes < 32:
            message(f"{tokens:,} tokens are few: --lanes {lanes} instead of 32")
    model = ModelConfig(
        symbols=len(corpus.vocabulary),
        recurrent_init=given["recurrent_init"] or "",
        **{n: given[n] for n in ("cell", "hidden", "layers", "embedding", "dropout", "dtype", "init", "forget_bias")},
    )
    decay = given["weight_decay"]
    optimizer = OptimizerConfig(
        name=given["optimizer"],
        clip_norm=given["clip"],
        weight_decay=(DEFAULT_DECAY if given["optimizer"] == "adamw" else 0.0) if decay is None else decay,
        **{n: given[n] for n in ("clip_value", "momentum", "beta1", "beta2", "average")},
    )
    config = TrainConfig(model, optimizer, lanes=lanes, steps=steps, **{n: given[n] for n in _PLAIN_SETTINGS})
    epoch, validate_every = windows_per_epoch(corpus, config), given["validate_every"]
    return replace(
        config,
        schedule=_schedule(given, epoch),
        validate_every=min(epoch, 200) if validate_every is None else validate_every,
    )


def _schedule(given: dict[str, Any], windows_per_epoch: int) -> ScheduleConfig:
    if given["decay_windows"] is not None and given["decay_epochs"] is not None:
        raise UsageError("train: give --decay-windows or --decay-epochs, not both")
    decay, epochs = given["decay_windows"] or 0, given["decay_epochs"]
    if epochs is not None:
        if not 0 <= epochs < math.inf:
            raise UsageError(f"--decay-epochs: expected 0 or more, found {epochs}")
        decay = round(epochs * windows_per_epoch)
    return ScheduleConfig(
        name=given["schedule"],
        rate=given["lr"],
        warmup=given["warmup"],
        every=given["decay_every"],
        factor=given["decay_factor"],
        floor=given["lr_floor"],
        decay_windows=decay,
        patience=given["decay_patience"],
    )


def _run(trainer: Trainer, limits: Limits, checkpoint_minutes: float) -> Outcome:
    with ending_at_once("what was learnt since the last checkpoint is lost"), _live_line(limits, trainer) as live:
        return trainer.run(limits, checkpoint_minutes=checkpoint_minutes, on_line=live.line, on_window=live.window)


@contextmanager
def _live_line(limits: Limits, trainer: Trainer) -> Iterator[LiveLine]:
    live = LiveLine(limits, trainer.windows_per_epoch, trainer.progress.windows)
    try:
        yield live
    finally:
        live.close()


def _tell_end(outcome: Outcome, trainer: Trainer, given: dict[str, Any]) -> None:
    """How it went, and how to go on to the same bits: on the same device, with as many threads."""
    same = "".join(f" --{name} {given[name]}" for name in ("device", "threads") if given[name] not in (None, "auto"))
    same += " --tf32" if given["tf32"] else ""
    run, best = shell_word(trainer.run_directory.path), trainer.progress.best
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
            told += f"; best: {best:.4f} after window {trainer.progress.best_window}"
        message(told)
    message(
        f"go on:    gpurnn train --resume {run}{same}\n"
        f"measure:  gpurnn evaluate {run}\n"
        f"generate: gpurnn sample {run} --length 500"
    )
