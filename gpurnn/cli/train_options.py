"""The options of `gpurnn train`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from gpurnn.api.runs import train
from gpurnn.backend import PRECISIONS
from gpurnn.cli.options import PATH, TableChoice, as_declared, options_of, setting
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.tables import POOLS
from gpurnn.settings import NotNegative
from gpurnn.training.begin import Threads
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.tasks.series import LOSS, LOSSES
from gpurnn.training.trainer import CHECKPOINT_MINUTES

_run = options_of(train, "Run")
_forecast = options_of(train, "Forecast, of a corpus of measured series")
_labelled = options_of(train, "Labels and tags, of a corpus that has them")
_pairs = options_of(train, "Pairs, of a corpus that has them")
_stop = options_of(train, "When to stop")
_network = options_of(train, "Network")
_windows = options_of(train, "Windows")
_optimizer = options_of(train, "Optimizer")
_schedule = options_of(train, "Learning rate")
_record = options_of(train, "Log, validation and checkpoints")
_trouble = options_of(train, "When training goes wrong")
_device = options_of(train, "Device")


def _names(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise UsageError(f"{option.opts[0]}: the name is empty; was a variable of the shell not set?")
    return names


def _numbers(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    names = _names(ctx, option, value)
    try:
        return None if names is None else tuple(float(name) for name in names)
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected numbers like 0.1,0.5,0.9") from None


_limit = partial(setting, _stop, Limits)
_model = partial(setting, _network, ModelConfig)
_update = partial(setting, _optimizer, OptimizerConfig)
_rate = partial(setting, _schedule, ScheduleConfig)

_OPTIONS = (
    _run("-o", "--output", type=PATH, metavar="RUN"),
    _run("--resume", type=PATH, metavar="RUN"),
    _run("--init-from", type=PATH, metavar="RUN"),
    _run("--allow-inexact", is_flag=True),
    _forecast("--target", metavar="COLUMN[,COLUMN]", callback=_names),
    _forecast("--ahead", metavar="TIME[,TIME]", callback=_names),
    _forecast("--loss", type=click.Choice(LOSSES), default=LOSS),
    _forecast("--quantiles", metavar="Q,Q,...", callback=_numbers),
    setting(_labelled, TrainConfig, "--layout", default=None),
    _labelled("--both-directions", is_flag=True),
    _labelled("--pool", type=TableChoice(POOLS)),
    _labelled("--class-weights", metavar="balanced|LABEL=W,...", callback=_names),
    setting(_labelled, ModelConfig, "--label-smoothing"),
    _labelled("--cut", is_flag=True),
    setting(_labelled, TrainConfig, "--context"),
    _pairs("--attention", type=click.Choice(("none", "dot", "additive"))),
    setting(_pairs, TrainConfig, "--target-bptt", default=None),
    setting(_pairs, TrainConfig, "--scheduled-sampling"),
    _limit("--epochs"),
    _limit("--windows"),
    _limit("--minutes"),
    setting(_stop, TrainConfig, "--patience"),
    _model("--cell"),
    _model("--hidden"),
    _model("--layers"),
    _model("--embedding"),
    _model("--dropout"),
    _model("--dtype"),
    _model("--init"),
    _model("--recurrent-init", default=None),
    _model("--forget-bias"),
    setting(_network, TrainConfig, "--seed"),
    setting(_windows, TrainConfig, "--lanes", default=None),
    setting(_windows, TrainConfig, "--bptt", default=None),
    setting(_windows, TrainConfig, "--restart"),
    _update("--optimizer"),
    _update("--clip"),
    _update("--clip-value"),
    _update("--weight-decay"),
    _update("--momentum"),
    _update("--beta1"),
    _update("--beta2"),
    _update("--average"),
    _rate("--lr"),
    _rate("--warmup"),
    _rate("--schedule"),
    _rate("--decay-windows", default=None),
    _schedule("--decay-epochs", type=float, callback=as_declared(NotNegative)),
    _rate("--decay-every"),
    _rate("--decay-factor"),
    _rate("--decay-patience"),
    _rate("--lr-floor"),
    setting(_record, TrainConfig, "--log-every"),
    setting(_record, TrainConfig, "--validate-every", default=None),
    setting(_record, TrainConfig, "--validate-windows"),
    _record("--checkpoint-minutes", type=float, default=CHECKPOINT_MINUTES, callback=as_declared(NotNegative)),
    setting(_trouble, TrainConfig, "--skip-limit"),
    setting(_trouble, TrainConfig, "--divergence-nats"),
    setting(_trouble, TrainConfig, "--on-divergence"),
    _device("--device", default="auto"),
    _device("--threads", type=int, callback=as_declared(Threads)),
    _device("--precision", type=TableChoice(PRECISIONS), default=PRECISIONS[0]),
    _device("--tf32", is_flag=True),
    _device("--no-graph", is_flag=True),
)


def train_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates the command with all of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
