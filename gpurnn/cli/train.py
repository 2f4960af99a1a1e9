"""`gpurnn train`: train a network on a corpus, or go on with a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from threadpoolctl import threadpool_limits

from gpurnn import backend
from gpurnn.cli.options import warn
from gpurnn.cli.progress import LiveLine
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.params import INITIALISERS
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.divergence import CHOICES, FACTOR, HIGH_LINES, LIMIT
from gpurnn.training.optim import OPTIMIZERS, OptimizerConfig
from gpurnn.training.schedule import SCHEDULES, ScheduleConfig
from gpurnn.training.session import fitting_lanes, new_run, resumed_run
from gpurnn.training.trainer import Outcome, Trainer

_MINUTES = 10.0  # how long a run lasts when no limit is given
_MAY_CHANGE = (
    *("corpus", "resume", "device", "tf32", "no_graph", "threads", "allow_inexact"),
    *("epochs", "windows", "minutes", "log_every", "validate_every", "checkpoint_minutes"),
)
"""Parameters that may be given beside --resume."""
_PLAIN_SETTINGS = (
    *("seed", "log_every", "validate_windows", "patience", "skip_limit"),
    *("on_divergence", "divergence_nats"),
)
"""Fields of TrainConfig that are options as they are."""


@click.command(short_help="Train a network on a corpus, or go on with a run.")
@click.argument("corpus", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Run directory to create.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on exactly where RUN stopped.")
@click.option("--init-from", type=click.Path(path_type=Path), metavar="RUN", help="Begin with RUN's parameters.")
@click.option("--cell", type=click.Choice(list(CELLS)), default="lstm", show_default=True)
@click.option("--hidden", type=int, default=256, show_default=True, help="Hidden units of a layer (H).")
@click.option("--layers", type=int, default=1, show_default=True, help="Recurrent layers (L).")
@click.option("--embedding", type=int, default=0, show_default=True, help="Width of an embedding (E); 0: one-hot.")
@click.option("--dropout", type=float, default=0.1, show_default=True, help="Between layers and before the output.")
@click.option("--init", type=click.Choice(list(INITIALISERS)), default="uniform", show_default=True)
@click.option("--recurrent-init", type=click.Choice(list(INITIALISERS)), help="Of W.  [default: the cell's own]")
@click.option("--forget-bias", type=float, default=1.0, show_default=True, help="Of an LSTM, at the start.")
@click.option("--lanes", type=int, help="Parallel streams (B).  [default: 32, fewer for a short text]")
@click.option("--bptt", type=int, default=64, show_default=True, help="Steps of a window (T).")
@click.option("--optimizer", type=click.Choice(list(OPTIMIZERS)), default="adam", show_default=True)
@click.option("--lr", type=float, default=8e-3, show_default=True, help="Highest learning rate.")
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Of sgd.")
@click.option("--beta1", type=float, default=0.9, show_default=True, help="Of adam and adamw.")
@click.option("--beta2", type=float, default=0.999, show_default=True, help="Of adam, adamw and rmsprop.")
@click.option("--weight-decay", type=float, default=0.0, show_default=True, help="Of matrices.")
@click.option("--clip", type=float, default=1.0, show_default=True, help="Clip the gradient's norm; 0: do not.")
@click.option("--clip-value", type=float, default=0.0, show_default=True, help="Clip its elements; 0: do not.")
@click.option("--schedule", type=click.Choice(SCHEDULES), default="plateau", show_default=True)
@click.option("--warmup", type=int, default=0, show_default=True, help="Windows until the rate is reached.")
@click.option("--decay-windows", type=int, help="Length of the cosine schedule in windows ...")
@click.option("--decay-epochs", type=float, help="... or in epochs.")
@click.option("--decay-every", type=int, default=1000, show_default=True, help="step: windows between two drops.")
@click.option("--decay-factor", type=float, default=0.5, show_default=True, help="step, plateau: of one drop.")
@click.option("--decay-patience", type=int, default=2, show_default=True, help="plateau: validations to wait.")
@click.option("--lr-floor", type=float, default=0.05, show_default=True, help="cosine, plateau: of the highest rate.")
@click.option("--epochs", type=int, help="Stop after so many epochs of the run.")
@click.option("--windows", type=int, help="Stop after so many windows of the run.")
@click.option(
    "--minutes", type=float, help=f"Stop after so many minutes.  [default: {_MINUTES:g} if no limit is given]"
)
@click.option(
    "--patience", type=int, default=0, show_default=True, help="Stop after so many validations without a better."
)
@click.option("--log-every", type=int, default=50, show_default=True, help="Windows between two log lines.")
@click.option(
    "--validate-every", type=int, help="Windows between two validations; 0: none.  [default: an epoch, at most 200]"
)
@click.option("--validate-windows", type=int, default=60, show_default=True, help="Windows of one validation at most.")
@click.option(
    "--checkpoint-minutes", type=float, default=5.0, show_default=True, help="Minutes between two checkpoints."
)
@click.option(
    "--skip-limit", type=int, default=25, show_default=True, help="Non-finite windows in a row that stop training."
)
@click.option(
    "--on-divergence",
    type=click.Choice(CHOICES),
    default="count",
    show_default=True,
    help=f"After {HIGH_LINES} high log lines: count it, or go back at {FACTOR:g} x the rate; {LIMIT} end training.",
)
@click.option(
    "--divergence-nats",
    type=float,
    default=1.0,
    show_default=True,
    help="A mean loss is high so far above the lowest; 0: never.",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--tf32", is_flag=True, help="Let a GPU round factors of float32 products to TF32: faster, less exact.")
@click.option("--no-graph", is_flag=True, help="Do not launch a window as one CUDA graph; the bits are the same.")
@click.option("--threads", type=int, help="Threads of matrix products on the CPU.  [default: every core]")
@click.option("--allow-inexact", is_flag=True, help="Resume although the bits will differ.")
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a network on CORPUS, made by `gpurnn prepare`, into a new run directory; or go on with a run.

    \b
      gpurnn train book.h5 -o runs/book --minutes 10
      gpurnn train --resume runs/book --minutes 10

    Ctrl-C finishes the window, writes a checkpoint and says how to go on.
    """
    with threadpool_limits(given["threads"] or None, "blas"):
        trainer = _resume(ctx, given) if given["resume"] else _start(given)
        with trainer.corpus:
            outcome = _run(trainer, given)
    _tell_end(outcome, trainer)
    ctx.exit(outcome.exit_code)


def _start(given: dict[str, Any]) -> Trainer:
    if given["corpus"] is None or given["output"] is None:
        raise UsageError("train: expected a corpus and -o RUN, or --resume RUN; see gpurnn train --help")
    corpus = Corpus.open(given["corpus"])
    be = _backend(given)
    config = _config(given, corpus)
    trainer = new_run(be, corpus, config, given["output"], warn, given["init_from"])
    model = config.model
    click.echo(
        f"{model.cell}, {model.layers} x {model.hidden}, {trainer.model.params.count:,} parameters, "
        f"{config.lanes} lanes x {config.steps} steps, {trainer.windows_per_epoch:,} windows an epoch, "
        f"on {be.device} ({be.reason})",
        err=True,
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
    click.echo(f"going on after window {trainer.progress.windows}", err=True)
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
            click.echo(f"{tokens:,} tokens are few: {lanes} lanes instead of 32", err=True)
    windows_per_epoch = max(1, -(-((tokens - 1) // max(lanes, 1)) // max(steps, 1)))
    model = ModelConfig(
        symbols=len(corpus.vocabulary),
        recurrent_init=given["recurrent_init"] or "",
        **{n: given[n] for n in ("cell", "hidden", "layers", "embedding", "dropout", "dtype", "init", "forget_bias")},
    )
    optimizer = OptimizerConfig(
        name=given["optimizer"],
        clip_norm=given["clip"],
        **{n: given[n] for n in ("clip_value", "weight_decay", "momentum", "beta1", "beta2")},
    )
    validate_every = given["validate_every"]
    return TrainConfig(
        model,
        optimizer,
        _schedule(given, windows_per_epoch),
        lanes=lanes,
        steps=steps,
        validate_every=min(windows_per_epoch, 200) if validate_every is None else validate_every,
        **{n: given[n] for n in _PLAIN_SETTINGS},
    )


def _schedule(given: dict[str, Any], windows_per_epoch: int) -> ScheduleConfig:
    if given["decay_windows"] is not None and given["decay_epochs"] is not None:
        raise UsageError("train: give --decay-windows or --decay-epochs, not both")
    decay = given["decay_windows"] or 0
    if given["decay_epochs"] is not None:
        decay = round(given["decay_epochs"] * windows_per_epoch)
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


def _run(trainer: Trainer, given: dict[str, Any]) -> Outcome:
    limits = Limits(given["epochs"], given["windows"], given["minutes"])
    if limits == Limits():
        limits = Limits(minutes=_MINUTES)
    with _live_line(limits, trainer) as live:
        return trainer.run(
            limits, checkpoint_minutes=given["checkpoint_minutes"], on_line=live.line, on_window=live.window
        )


@contextmanager
def _live_line(limits: Limits, trainer: Trainer) -> Iterator[LiveLine]:
    live = LiveLine(limits, trainer.windows_per_epoch, trainer.progress.windows)
    try:
        yield live
    finally:
        live.close()


def _tell_end(outcome: Outcome, trainer: Trainer) -> None:
    run, best = trainer.run_directory.path, trainer.progress.best
    click.echo(f"{outcome.reason}; wrote {outcome.checkpoint}", err=True)
    if outcome.valid is not None:
        told = f"validation now: {outcome.valid:.4f} nats a token"
        if best is not None:
            told += f"; best: {best:.4f} after window {trainer.progress.best_window}"
        click.echo(told, err=True)
    click.echo(
        f"go on:    gpurnn train --resume {run}\n"
        f"measure:  gpurnn evaluate {run}\n"
        f"generate: gpurnn sample {run} --length 500",
        err=True,
    )
