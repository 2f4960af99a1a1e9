"""`gpurnn.train`: a corpus becomes a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpurnn.api.arguments import AnyPath, declares, path_of
from gpurnn.settings import NotNegative, checked
from gpurnn.training.begin import limits_of, trainer_of
from gpurnn.training.learner import Learner
from gpurnn.training.trainer import CHECKPOINT_MINUTES, Outcome

_logger = logging.getLogger("gpurnn")
_PATHS = ("corpus", "output", "resume", "init_from")


@dataclass(frozen=True)
class Run(Outcome):
    """A run, and how the call that trained it ended. `load`, `evaluate` and `train` take it for the run.

    path: its folder. The others as in `Outcome`: reason, why it ended, in words; valid, the loss of the valid split
    now; checkpoint, the last one; windows, how many there were since the run's beginning.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)


def _train(given: Mapping[str, Any]) -> Run:
    """given: the arguments of `train` that were given."""
    callbacks = {name: given[name] for name in ("on_line", "on_window") if given.get(name) is not None}
    settings = {name: value for name, value in given.items() if value is not None and name not in callbacks}
    settings |= {name: path_of(name, settings[name]) for name in _PATHS if name in settings}
    limits = limits_of(settings)
    minutes = checked("checkpoint_minutes", NotNegative, settings.get("checkpoint_minutes", CHECKPOINT_MINUTES))
    with trainer_of(settings, _logger.warning) as trainer:
        outcome = trainer.run(limits, checkpoint_minutes=minutes, **callbacks)
    return Run(**vars(outcome), path=trainer.run_directory.path)


@declares(_train)
def train(  # type: ignore[empty-body]
    corpus: AnyPath | None = None,
    output: AnyPath | None = None,
    *,
    target: str | Sequence[str] | None = None,
    ahead: str | Sequence[str] | None = None,
    loss: str = "huber",
    quantiles: Sequence[float] | None = None,
    layout: str | None = None,
    both_directions: bool = False,
    pool: str | None = None,
    class_weights: str | Sequence[str] | None = None,
    label_smoothing: float = 0.0,
    cut: bool = False,
    context: int = 0,
    attention: str | None = None,
    target_bptt: int | None = None,
    scheduled_sampling: float = 0.0,
    resume: AnyPath | None = None,
    init_from: AnyPath | None = None,
    allow_inexact: bool = False,
    epochs: int | None = None,
    windows: int | None = None,
    minutes: float | None = None,
    patience: int = 0,
    cell: str = "lstm",
    hidden: int = 256,
    layers: int = 1,
    embedding: int = 0,
    dropout: float = 0.15,
    dtype: str = "float32",
    init: str = "uniform",
    recurrent_init: str | None = None,
    forget_bias: float = 1.0,
    seed: int = 1,
    lanes: int | None = None,
    bptt: int | None = None,
    restart: float = 0.02,
    optimizer: str = "adamw",
    clip: float = 1.0,
    clip_value: float = 0.0,
    weight_decay: float | None = None,
    momentum: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    average: float = 0.1,
    lr: float = 8e-3,
    warmup: int = 0,
    schedule: str = "plateau",
    decay_windows: int | None = None,
    decay_epochs: float | None = None,
    decay_every: int = 1000,
    decay_factor: float = 0.5,
    decay_patience: int = 2,
    lr_floor: float = 0.05,
    log_every: int = 50,
    validate_every: int | None = None,
    validate_windows: int = 60,
    checkpoint_minutes: float = 5.0,
    skip_limit: int = 25,
    divergence_nats: float = 1.0,
    on_divergence: str = "count",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "float32",
    tf32: bool = False,
    no_graph: bool = False,
    on_line: Callable[[dict[str, Any]], None] | None = None,
    on_window: Callable[[Learner], None] | None = None,
) -> Run:
    """Train a network on a corpus, into a new run directory; or go on with a run. As `gpurnn train` does.

        run = gpurnn.train("book.h5", "runs/book", cell="gru", minutes=10)
        run = gpurnn.train(resume=run, minutes=10)

    Returns the run, with how the training ended. Ctrl-C finishes the window, writes a checkpoint and returns too; a
    second one is a KeyboardInterrupt. What goes wrong on the way without ending it, the logger `gpurnn` says.
    Raises UsageError, DataError, RunError, CheckpointError, BackendError; TrainingError: it cannot go on; what a
    callback raises. Whatever ends it, what was learnt is saved, and notes with the error say so.

    The run
    corpus: The corpus to learn from, or what `gpurnn.prepare` returned; beside resume where it has moved.
    output: Folder of the new run; of a symbolic link, its target.
    resume: Go on exactly where this run stopped. Its settings stay; limits, cadences and the device may be given.
    init_from: Begin the new run with the parameters and the kind of network of this run.
    allow_inexact: Resume although versions or settings changed the bits.

    The forecast, of a corpus of measured series
    target: The columns to forecast, one or a list of them.
    ahead: How far ahead, such as 24h or 10min, one or a list: multiples of the interval between rows.
    loss: What errors cost: huber (squared up to one deviation of the column, then absolute), absolute or squared; or
        quantile, to forecast quantiles.
    quantiles: Which ones, rising, each between 0 and 1; 0.1, 0.5, 0.9 unless given.

    Labels and tags, of a corpus that has them
    layout: whole: a window holds whole sequences, side by side, as is so unless given; through: long ones go on from
        window to window, and their state with them. Of texts with vectors, too.
    both_directions: Read each sequence from its end, too, by layers of their own; of pairs the source.
    pool: What a label is told from: the last state, as is so unless given, or the mean or max of all states of the
        sequence.
    class_weights: What an error costs: balanced, the same for all labels together; or LABEL=W, one or a list; the
        others cost 1.
    label_smoothing: Part of each target that is spread over all labels.
    cut: Cut sequences that are longer than a window into pieces; of labels the last piece is taken.
    context: Steps before and after each piece that it sees, too, but does not learn from.

    Pairs, of a corpus that has them
    attention: What each step of the target sees of the source besides: none, as is so unless given, dot or additive.
    target_bptt: Steps of a window for targets; as the longest one needs unless given; bptt is for sources then.
    scheduled_sampling: Probability with which a step of a target, or of a caption, reads the symbol that the model
        finds likeliest instead of the true one; the same throughout the run. A window then goes forward twice.

    When to stop
    epochs: After so many epochs since the run began.
    windows: After so many windows since the run began.
    minutes: After so many minutes of this call; 10 where no limit is given.
    patience: After so many validations in a row without a better one; 0: never; 20 for series, 10 for labels unless
        given.

    The network
    cell: Kind of the recurrent layers: lstm, gru, simple (tanh) or simple-relu; gru for series and labels unless given.
    hidden: Hidden units of a layer (H); 32 for series, 96 for labels and tags unless given.
    layers: Recurrent layers (L).
    embedding: Width of an embedding (E); 0: one-hot input; 96 for labels and tags unless given.
    dropout: Between layers and before the output, of labels and tags before each layer; 0.2 for series, 0.5 for labels,
        0.3 for tags unless given.
    dtype: Of all numbers: float32 or float64.
    init: How matrices begin: uniform, glorot, orthogonal, identity or normal.
    recurrent_init: How W begins, likewise; as suits the cell unless given.
    forget_bias: What an LSTM's forget gates begin with.
    seed: Of the first parameters and of dropout.

    Windows
    lanes: Stretches of the text read side by side (B); 32, fewer if the text is short, unless given.
    bptt: Steps of a window, through which errors go back (T); 64, fewer if the text is short, unless given.
    restart: Probability with which a lane begins anew, from a state of zeros as a sample does, at a window's start.

    The optimizer
    optimizer: The rule of updates: sgd, rmsprop, adam or adamw.
    clip: Largest norm of the gradient; 0: any.
    clip_value: Largest element of the gradient; 0: any.
    weight_decay: Of matrices; 0.02 for adamw, 0 for the others, unless given.
    momentum: Of sgd.
    beta1: Of adam and adamw.
    beta2: Of adam, adamw and rmsprop.
    average: Validate, evaluate and sample the mean of the parameters over about this part of all updates; 0: the
        last ones.

    The learning rate
    lr: The highest learning rate; 2e-3 for series, 4e-3 for labels, 8e-3 for tags, 3e-3 for pairs unless given.
    warmup: Windows until it is reached.
    schedule: How it falls after that: not at all (constant), step, cosine or plateau; cosine for series and labels
        unless given.
    decay_windows: cosine: its length in windows ...
    decay_epochs: ... or in epochs.
    decay_every: step: windows between two drops.
    decay_factor: step, plateau: what a drop multiplies it by.
    decay_patience: plateau: validations without a better one before a drop.
    lr_floor: cosine, plateau: the lowest rate, as a part of the highest.

    Log, validation and checkpoints
    log_every: Windows between two log lines.
    validate_every: Windows between two validations; 0: none; an epoch, at most 200, of labels and tags at least 20,
        unless given.
    validate_windows: Windows of one validation at most.
    checkpoint_minutes: Minutes between two checkpoints; 0: one after every window.

    When training goes wrong
    skip_limit: Non-finite windows in a row that end training.
    divergence_nats: A logged loss so far above the lowest is high (of real targets: such a share of it); 0: never.
    on_divergence: After 3 high ones in a row: count it, or rollback: go back, and on at 0.5 x the rate; the 5th
        time ends training.

    The device
    device: cpu, cuda or cuda:N; auto: a GPU where there is one.
    threads: Threads of matrix products on a CPU; every core unless given.
    precision: float32; or round factors of float32 products, which is faster and less exact: tf32 on a GPU (on a CPU
        it changes nothing), bf16 on a CPU that has such instructions.
    tf32: The same as precision tf32.
    no_graph: Do not launch a window as one CUDA graph; the bits are the same.

    Progress
    on_line: Called with each line of the log, a dictionary.
    on_window: Called after each window with the learner: `learner.progress.windows`, `learner.model`, and so on.
    """
