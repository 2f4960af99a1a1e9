"""The options of `gpurnn train`."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from gpurnn.backend import PRECISIONS
from gpurnn.cli.options import PATH, TableChoice, as_declared, device_help, section, setting
from gpurnn.network import ModelConfig
from gpurnn.settings import NotNegative, Rule
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.divergence import FACTOR, HIGH_LINES, LIMIT
from gpurnn.training.optimizer import DECAY_OF, OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.trainer import CHECKPOINT_MINUTES

DEFAULT_MINUTES = 10.0
"""How long a run lasts where no limit is given."""
_Threads = Annotated[int, Rule("1 or more and less than 2**31", lambda n: 1 <= n < 2**31)]  # a C int
_DECAYS = ", ".join(f"{decay:g} for {name}" for name, decay in DECAY_OF.items())

_run = section("Run")
_stop = section("When to stop")
_network = section("Network")
_windows = section("Windows")
_optimizer = section("Optimizer")
_schedule = section("Learning rate")
_record = section("Log, validation and checkpoints")
_trouble = section("When training goes wrong")
_device = section("Device")

_limit = partial(setting, _stop, Limits)
_model = partial(setting, _network, ModelConfig)
_update = partial(setting, _optimizer, OptimizerConfig)
_rate = partial(setting, _schedule, ScheduleConfig)

_OPTIONS = (
    _run("-o", "--output", type=PATH, metavar="RUN", help="Folder of the new run; of a symbolic link, its target."),
    _run("--resume", type=PATH, metavar="RUN", help="Go on exactly where RUN stopped."),
    _run(
        "--init-from",
        type=PATH,
        metavar="RUN",
        help="Begin the new run with the parameters and the kind of network of RUN.",
    ),
    _run("--allow-inexact", is_flag=True, help="Resume although versions or settings changed the bits."),
    _limit("--epochs", "After so many epochs since the run began."),
    _limit("--windows", "After so many windows since the run began."),
    _limit("--minutes", f"After so many minutes of this call.  [default: {DEFAULT_MINUTES:g} where no limit is given]"),
    setting(_stop, TrainConfig, "--patience", "After so many validations in a row without a better one; 0: never."),
    _model("--cell", "Kind of the recurrent layers."),
    _model("--hidden", "Hidden units of a layer (H)."),
    _model("--layers", "Recurrent layers (L)."),
    _model("--embedding", "Width of an embedding (E); 0: one-hot input."),
    _model("--dropout", "Between layers and before the output."),
    _model("--dtype", "Of all numbers."),
    _model("--init", "How matrices begin."),
    _model("--recurrent-init", "How W begins.  [default: as suits the cell]", default=None),
    _model("--forget-bias", "What an LSTM's forget gates begin with."),
    setting(_network, TrainConfig, "--seed", "Of the first parameters and of dropout."),
    setting(
        _windows,
        TrainConfig,
        "--lanes",
        f"Stretches of the text read side by side (B).  [default: {TrainConfig.lanes}, fewer if short]",
        default=None,
    ),
    setting(
        _windows,
        TrainConfig,
        "--bptt",
        f"Steps of a window, through which errors go back (T).  [default: {TrainConfig.bptt}, fewer if short]",
        default=None,
    ),
    setting(
        _windows,
        TrainConfig,
        "--restart",
        "Probability with which a lane begins anew, from a state of zeros as a sample does, at a window's start.",
    ),
    _update("--optimizer", "The rule of updates."),
    _update("--clip", "Largest norm of the gradient; 0: any."),
    _update("--clip-value", "Largest element of the gradient; 0: any."),
    _update("--weight-decay", f"Of matrices.  [default: {_DECAYS}, 0 for the others]"),
    _update("--momentum", "Of sgd."),
    _update("--beta1", "Of adam and adamw."),
    _update("--beta2", "Of adam, adamw and rmsprop."),
    _update(
        "--average",
        "Validate, evaluate and sample the mean of the parameters over about this part of all updates; 0: the "
        "last ones.",
    ),
    _rate("--lr", "The highest learning rate."),
    _rate("--warmup", "Windows until it is reached."),
    _rate("--schedule", "How it falls after that."),
    _rate("--decay-windows", "cosine: its length in windows ...", default=None),
    _schedule("--decay-epochs", type=float, callback=as_declared(NotNegative), help="... or in epochs."),
    _rate("--decay-every", "step: windows between two drops."),
    _rate("--decay-factor", "step, plateau: what a drop multiplies it by."),
    _rate("--decay-patience", "plateau: validations without a better one before a drop."),
    _rate("--lr-floor", "cosine, plateau: the lowest rate, as a part of --lr."),
    setting(_record, TrainConfig, "--log-every", "Windows between two log lines."),
    setting(
        _record,
        TrainConfig,
        "--validate-every",
        f"Windows between two validations; 0: none.  [default: an epoch, at most {TrainConfig.validate_every}]",
        default=None,
    ),
    setting(_record, TrainConfig, "--validate-windows", "Windows of one validation at most."),
    _record(
        "--checkpoint-minutes",
        type=float,
        default=CHECKPOINT_MINUTES,
        callback=as_declared(NotNegative),
        help="Minutes between two checkpoints; 0: one after every window.",
    ),
    setting(_trouble, TrainConfig, "--skip-limit", "Non-finite windows in a row that end training."),
    setting(_trouble, TrainConfig, "--divergence-nats", "A logged loss so far above the lowest is high; 0: never."),
    setting(
        _trouble,
        TrainConfig,
        "--on-divergence",
        f"After {HIGH_LINES} high ones in a row: count it, or go back and on at {FACTOR:g} x the rate; "
        f"the {LIMIT}th time ends training.",
    ),
    _device("--device", default="auto", help=device_help),
    _device(
        "--threads",
        type=int,
        callback=as_declared(_Threads),
        help="Threads of matrix products on a CPU.  [default: every core]",
    ),
    _device(
        "--precision",
        type=TableChoice(PRECISIONS),
        default=PRECISIONS[0],
        help="Round factors of float32 products, which is faster and less exact: tf32 on a GPU (on a CPU it changes "
        "nothing), bf16 on a CPU that has such instructions.",
    ),
    _device("--tf32", is_flag=True, help="The same as --precision tf32."),
    _device("--no-graph", is_flag=True, help="Do not launch a window as one CUDA graph; the bits are the same."),
)


def train_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates the command with all of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
