"""The options of `gpurnn train`."""

from collections.abc import Callable
from typing import Any

import click

from gpurnn.cli.options import PATH, TableChoice, device_help, section
from gpurnn.network.cells import CELLS
from gpurnn.network.params import INITIALISERS
from gpurnn.training.divergence import CHOICES, FACTOR, HIGH_LINES, LIMIT
from gpurnn.training.optim import OPTIMIZERS
from gpurnn.training.schedule import SCHEDULES

DEFAULT_MINUTES = 10.0
"""How long a run lasts where no limit is given."""
DEFAULT_DECAY = 0.02
"""Weight decay of adamw where none is given."""

_run = section("Run")
_stop = section("When to stop")
_network = section("Network")
_windows = section("Windows")
_optimizer = section("Optimizer")
_schedule = section("Learning rate")
_record = section("Log, validation and checkpoints")
_trouble = section("When training goes wrong")
_device = section("Device")

_OPTIONS = (
    _run("-o", "--output", type=PATH, metavar="RUN", help="Folder of the new run; of a symbolic link, its target."),
    _run("--resume", type=PATH, metavar="RUN", help="Go on exactly where RUN stopped."),
    _run("--init-from", type=PATH, metavar="RUN", help="Begin the new run with the parameters of RUN."),
    _run("--allow-inexact", is_flag=True, help="Resume although versions or settings changed the bits."),
    _stop("--epochs", type=int, help="After so many epochs since the run began."),
    _stop("--windows", type=int, help="After so many windows since the run began."),
    _stop(
        "--minutes",
        type=float,
        help=f"After so many minutes of this call.  [default: {DEFAULT_MINUTES:g} where no limit is given]",
    ),
    _stop("--patience", type=int, default=0, help="After so many validations in a row without a better one; 0: never."),
    _network("--cell", type=TableChoice(CELLS), default="lstm", help="Kind of the recurrent layers."),
    _network("--hidden", type=int, default=256, help="Hidden units of a layer (H)."),
    _network("--layers", type=int, default=1, help="Recurrent layers (L)."),
    _network("--embedding", type=int, default=0, help="Width of an embedding (E); 0: one-hot input."),
    _network("--dropout", type=float, default=0.15, help="Between layers and before the output."),
    _network("--dtype", type=click.Choice(["float32", "float64"]), default="float32", help="Of all numbers."),
    _network("--init", type=TableChoice(INITIALISERS), default="uniform", help="How matrices begin."),
    _network("--recurrent-init", type=TableChoice(INITIALISERS), help="How W begins.  [default: as suits the cell]"),
    _network("--forget-bias", type=float, default=1.0, help="What an LSTM's forget gates begin with."),
    _network("--seed", type=int, default=1, help="Of the first parameters and of dropout."),
    _windows("--lanes", type=int, help="Stretches of the text read side by side (B).  [default: 32, fewer if short]"),
    _windows("--bptt", type=int, default=64, help="Steps of a window, through which errors go back (T)."),
    _windows(
        "--restart",
        type=float,
        default=0.02,
        help="Probability with which a lane begins anew, from a state of zeros as a sample does, at a window's start.",
    ),
    _optimizer("--optimizer", type=TableChoice(OPTIMIZERS), default="adamw", help="The rule of updates."),
    _optimizer("--clip", type=float, default=1.0, help="Largest norm of the gradient; 0: any."),
    _optimizer("--clip-value", type=float, default=0.0, help="Largest element of the gradient; 0: any."),
    _optimizer(
        "--weight-decay", type=float, help=f"Of matrices.  [default: {DEFAULT_DECAY:g} for adamw, 0 for the others]"
    ),
    _optimizer("--momentum", type=float, default=0.0, help="Of sgd."),
    _optimizer("--beta1", type=float, default=0.9, help="Of adam and adamw."),
    _optimizer("--beta2", type=float, default=0.999, help="Of adam, adamw and rmsprop."),
    _optimizer(
        "--average",
        type=float,
        default=0.1,
        help="Validate, evaluate and sample the mean of the parameters over about this part of all updates; 0: the "
        "last ones.",
    ),
    _schedule("--lr", type=float, default=8e-3, help="The highest learning rate."),
    _schedule("--warmup", type=int, default=0, help="Windows until it is reached."),
    _schedule("--schedule", type=click.Choice(SCHEDULES), default="plateau", help="How it falls after that."),
    _schedule("--decay-windows", type=int, help="cosine: its length in windows ..."),
    _schedule("--decay-epochs", type=float, help="... or in epochs."),
    _schedule("--decay-every", type=int, default=1000, help="step: windows between two drops."),
    _schedule("--decay-factor", type=float, default=0.5, help="step, plateau: what a drop multiplies it by."),
    _schedule("--decay-patience", type=int, default=2, help="plateau: validations without a better one before a drop."),
    _schedule("--lr-floor", type=float, default=0.05, help="cosine, plateau: the lowest rate, as a part of --lr."),
    _record("--log-every", type=int, default=50, help="Windows between two log lines."),
    _record(
        "--validate-every", type=int, help="Windows between two validations; 0: none.  [default: an epoch, at most 200]"
    ),
    _record("--validate-windows", type=int, default=60, help="Windows of one validation at most."),
    _record(
        "--checkpoint-minutes",
        type=click.FloatRange(0),
        default=5.0,
        help="Minutes between two checkpoints; 0: one after every window.",
    ),
    _trouble("--skip-limit", type=int, default=25, help="Non-finite windows in a row that end training."),
    _trouble(
        "--divergence-nats", type=float, default=1.0, help="A logged loss so far above the lowest is high; 0: never."
    ),
    _trouble(
        "--on-divergence",
        type=click.Choice(CHOICES),
        default="count",
        help=f"After {HIGH_LINES} high ones in a row: count it, or go back and on at {FACTOR:g} x the rate; "
        f"the {LIMIT}th time ends training.",
    ),
    _device("--device", default="auto", help=device_help),
    _device("--threads", type=click.IntRange(1), help="Threads of matrix products on a CPU.  [default: every core]"),
    _device("--tf32", is_flag=True, help="Let a GPU round factors of float32 products to TF32: faster, less exact."),
    _device("--no-graph", is_flag=True, help="Do not launch a window as one CUDA graph; the bits are the same."),
)


def train_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates the command with all of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
