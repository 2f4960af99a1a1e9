"""`gpurnn train`: train a network on a corpus, or go on with a run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from gpurnn.backend import PRECISIONS, Backend
from gpurnn.cli.console import message, warn
from gpurnn.cli.options import PATH, SectionedCommand, given_to
from gpurnn.cli.progress import LiveLine, stuck_lanes
from gpurnn.cli.train_options import train_options
from gpurnn.exceptions import shell_word
from gpurnn.signals import ending_at_once
from gpurnn.training.begin import limits_of, trainer_of
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.loop import skipped_in_words
from gpurnn.training.trainer import Outcome, Trainer


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
    settings = given_to(ctx)
    limits = limits_of(settings)
    with trainer_of(settings, warn) as trainer:
        _show_beginning(trainer, settings)
        outcome = _run(trainer, limits, given["checkpoint_minutes"])
    _show_end(outcome, trainer, given)
    ctx.exit(outcome.exit_code)


def _show_beginning(trainer: Trainer, settings: dict[str, Any]) -> None:
    learner, run = trainer.learner, trainer.run_directory
    be, config = learner.model.be, learner.config
    if "resume" not in settings:
        _warn_of_short_text(learner, settings)
        model = config.model
        message(
            f"{model.cell}, {model.layers} x {model.hidden}, {learner.model.params.count:,} parameters, "
            f"{_widths(learner)}{config.lanes} lanes x {config.bptt} steps, "
            f"{learner.windows_per_epoch:,} windows an epoch, on {be.device} ({be.reason}){_rounding(be)}"
        )
    elif run.begun:
        message(f"going on after window {learner.progress.windows}{_rounding(be)}")
    else:
        message(f"{shell_word(run.path)} has no checkpoint yet: beginning at its first window{_rounding(be)}")


def _widths(learner: Learner) -> str:
    """What a forecast, a label or a text is made from, and how many there are; nothing of language models."""
    model, config, kind = learner.model, learner.config, learner.corpus.kind
    if kind in ("labels", "tags", "frames"):
        read = "symbols" if model.config.symbols else "columns"
        both = "both directions, " if "both_directions" in model.config.stack else ""
        labels = f"{model.config.output_width:,} {kind}"
        if kind == "frames":
            labels = f"strings of {model.config.output_width - 1:,} labels"  # the last one is the blank
        return f"{both}{model.config.input_width:,} {read} to {labels}, "
    if kind in ("pairs", "captions"):
        network = model.config
        read = f"{network.source:,} symbols" if network.source else f"{network.vectors:,} numbers"
        both = "both directions, " if "both_directions" in network.encoder else ""
        attention = f"attention {network.attention}, " if network.attention else ""
        return f"{both}{attention}{read} to {network.symbols:,} symbols, "
    if kind != "series":
        return ""
    targets = ", ".join(f"{name}+{ahead}" for name in config.target for ahead in config.ahead)
    return f"{model.config.input_width} columns to {targets} ({model.head.unit}), "


def _rounding(be: Backend) -> str:
    """What is said of products that are not float32's own."""
    return "" if be.precision == PRECISIONS[0] else f", precision {be.precision}"


def _warn_of_short_text(learner: Learner, settings: dict[str, Any]) -> None:
    """One line where the text is too short for the defaults."""
    fewer = [
        (f"--{name} {getattr(learner.config, name)}", f"{usual}")
        for name, usual in learner.task.usual_geometry.items()
        if name not in settings and getattr(learner.config, name) < usual
    ]
    if fewer:
        options, defaults = (" and ".join(words) for words in zip(*fewer, strict=True))
        held = "rows" if learner.corpus.kind == "series" else "tokens"
        message(f"{learner.corpus.splits['train']:,} {held} are few: {options} instead of {defaults}")


def _run(trainer: Trainer, limits: Limits, checkpoint_minutes: float) -> Outcome:
    with (
        ending_at_once("what was learnt since the last checkpoint is lost"),
        _live_line(limits, trainer.learner) as live,
    ):
        return trainer.run(limits, checkpoint_minutes=checkpoint_minutes, on_line=live.line, on_window=live.window)


@contextmanager
def _live_line(limits: Limits, learner: Learner) -> Iterator[LiveLine]:
    live = LiveLine(limits, learner.windows_per_epoch, learner.progress.windows, learner.model.head.unit)
    try:
        yield live
    finally:
        live.close()


_USE = {
    "series": "forecast: gpurnn predict",
    "labels": "label:    gpurnn predict",
    "tags": "tag:      gpurnn predict",
    "pairs": "use:      gpurnn predict",
    "captions": "use:      gpurnn predict",
    "frames": "read:     gpurnn predict",
}
"""What is done with a model, by the kind of corpus, of all kinds but text."""


def _show_end(outcome: Outcome, trainer: Trainer, given: dict[str, Any]) -> None:
    """How the run ended, and how to go on with the same bits: on the same device, with as many threads.

    After a signal also to where it would have ended, unless that was a matter of time.
    """
    names = ("device", "threads", *(("epochs", "windows") if outcome.exit_code else ()))
    same = "".join(f" --{name} {given[name]}" for name in names if given[name] not in (None, "auto"))
    learner, run = trainer.learner, shell_word(trainer.run_directory.path)
    best = learner.progress.best
    message(f"{outcome.reason}; wrote {shell_word(outcome.checkpoint)}")
    if outcome.skipped:
        message(skipped_in_words(outcome.skipped))
    if outcome.valid is not None:
        shown = "validation now: not finite; the model has diverged: start again with a lower --lr or --clip"
        if math.isfinite(outcome.valid):
            shown = f"validation now: {outcome.validation}"
        if outcome.stuck:
            shown += f" ({stuck_lanes(outcome.stuck)})"
        if best is not None:
            shown += f"; best: {learner.task.best_in_words(best)} after window {learner.progress.best_window}"
        message(shown)
    message(f"go on:    gpurnn train --resume {run}{same}")
    for split, option in (("valid", ""), ("test", " --split test")):
        if learner.corpus.targets(split):
            message(f"measure:  gpurnn evaluate {run}{option}")
            break
    use = _USE.get(learner.corpus.kind)
    message(f"{use} {run} FILE" if use else f"generate: gpurnn sample {run} --length 500")
