"""A run from settings by name, as the options of the command line and the keywords of the library give them.

Settings here are those that were given, without any that is None: what is left out has its default, follows from the
corpus, or is that of the run that is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from typing import Annotated, Any, TypeVar

from threadpoolctl import threadpool_limits

from gpurnn import backend
from gpurnn.backend import PRECISIONS, Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.settings import NotNegative, Rule, base_of, checked, field_kinds
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.origin import load_checkpoint
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import Warn, new_run, resumed_run
from gpurnn.training.snapshot import load_config
from gpurnn.training.tasks import TASKS, task_of
from gpurnn.training.tasks.base import BOTH_DIRECTIONS
from gpurnn.training.trainer import Trainer

_C = TypeVar("_C")

Settings = Mapping[str, Any]

DEFAULT_MINUTES = 10.0
"""How long a run lasts where no limit is given."""
Threads = Annotated[int, Rule("1 or more and less than 2**31", lambda n: 1 <= n < 2**31)]  # a C int

_LISTS = ("target", "ahead", "quantiles", "class_weights")

_WITH_RESUME = (
    *("corpus", "resume", "device", "precision", "tf32", "no_graph", "threads", "allow_inexact"),
    *("epochs", "windows", "minutes", "log_every", "validate_every", "checkpoint_minutes"),
)
"""What may be given beside `resume`."""


def limits_of(given: Settings) -> Limits:
    """When to stop. Raises UsageError."""
    limits = Limits(**_those_of(Limits, given))
    return Limits(minutes=DEFAULT_MINUTES) if limits == Limits() else limits


@contextmanager
def trainer_of(given: Settings, on_warning: Warn) -> Iterator[Trainer]:
    """A trainer of a new run, or where there is `resume` of one that goes on; its corpus is closed after the block.

    Within the block products on a CPU take `threads` threads.
    Raises UsageError, DataError, RunError, CheckpointError, BackendError; no new run was written then.
    """
    threads = given.get("threads")
    with threadpool_limits(None if threads is None else checked("threads", Threads, threads), "blas"):
        trainer = _resumed(given, on_warning) if "resume" in given else _begun(given, on_warning)
        with trainer.learner.corpus:
            yield trainer


def _begun(given: Settings, on_warning: Warn) -> Trainer:
    if "corpus" not in given or "output" not in given:
        raise UsageError("train: expected a corpus and `output=RUN`, or `resume=RUN`")
    precision = _precision(given) or PRECISIONS[0]
    corpus = Corpus.open(given["corpus"])
    begun = load_checkpoint(given["init_from"], "best", on_warning) if "init_from" in given else None
    config = _config(given, corpus, begun)
    if precision == "bf16" and config.model.dtype != "float32":
        raise UsageError(
            f"train: `precision=bf16` is for float32 and the numbers are {config.model.dtype}; leave it out"
        )
    return new_run(_backend(given, precision), corpus, config, given["output"], on_warning, begun)


def _resumed(given: Settings, on_warning: Warn) -> Trainer:
    for name in given:
        if name not in _WITH_RESUME:
            raise UsageError(f"train: `{name}` does not go with `resume`; a resumed run keeps its settings")
    asked = _precision(given)
    return resumed_run(
        lambda own: _backend(given, asked or own),
        given["resume"],
        on_warning,
        Corpus.open(given["corpus"]) if "corpus" in given else None,
        log_every=given.get("log_every"),
        validate_every=given.get("validate_every"),
        allow_inexact=given.get("allow_inexact", False),
    )


def _precision(given: Settings) -> str | None:
    """The precision that is asked for; None: none."""
    asked: str | None = given.get("precision")
    if not given.get("tf32"):
        return asked
    if asked not in (None, "tf32"):
        raise UsageError(f"train: `tf32` contradicts `precision={asked}`; give one of them")
    return "tf32"


def _backend(given: Settings, precision: str) -> Backend:
    return backend.get(given.get("device", "auto"), precision=precision, graphs=not given.get("no_graph", False))


def _config(given: Settings, corpus: Corpus, begun: Checkpoint | None) -> TrainConfig:
    """The settings of a new run, from those given, the size of the corpus, and the run that it begins with."""
    given = _settled(given)
    for each in (ModelConfig, TrainConfig, OptimizerConfig, ScheduleConfig):
        given |= _those_of(each, given)
    kind = TASKS[corpus.kind]
    defaults = kind.defaults(corpus, given)
    if given.get("validate_every") == 0 or not corpus.targets("valid"):
        defaults["patience"] = 0  # there is nothing to wait for
    lanes, bptt = kind.geometry(corpus, given, defaults)
    model = _begun_model(given, begun) if begun else ModelConfig(**_those_of(ModelConfig, defaults | given))
    given = defaults | given
    plain = _those_of(TrainConfig, given) | {"lanes": lanes, "bptt": bptt}
    config = TrainConfig(model, OptimizerConfig(**_those_of(OptimizerConfig, given)), **plain)
    task = task_of(corpus, config)
    epoch, every = task.windows_per_epoch, config.validate_every
    if "validate_every" not in given:
        every = min(max(epoch, task.least_between_validations), every)
    return replace(config, schedule=_schedule(given, epoch, task.usual_decay), validate_every=every)


def _settled(given: Settings) -> dict[str, Any]:
    """The settings with a list of one where one name or number was given for a list, and without attention of none."""
    given = {name: value for name, value in given.items() if (name, value) != ("attention", "none")}
    lists = {name: given[name] for name in _LISTS if name in given}
    return {**given, **{name: (one,) if isinstance(one, str | float) else one for name, one in lists.items()}}


def _begun_model(given: Settings, begun: Checkpoint) -> ModelConfig:
    """The network of the run that it begins with; what is said of it has to agree with that."""
    wanted = _those_of(ModelConfig, given)
    theirs = load_config(begun).model
    for name, value in wanted.items():
        other = getattr(theirs, name)
        if value != other and name != "dropout":
            raise UsageError(
                f"train: `{name}={value}` contradicts `init_from`: the network of {begun.path} has {other or 'none'}; "
                f"leave `{name}` out"
            )
    both = BOTH_DIRECTIONS in (*theirs.stack, *theirs.encoder)
    if given.get("both_directions", both) != both:
        has = "both directions" if both else "one direction"
        raise UsageError(f"train: `both_directions` contradicts `init_from`: the network of {begun.path} has {has}")
    return replace(theirs, **wanted)


def _schedule(given: Settings, windows_per_epoch: int, usual_decay: int) -> ScheduleConfig:
    decay, epochs = _those_of(ScheduleConfig, given), given.get("decay_epochs")
    if "decay_windows" in decay and epochs is not None:
        raise UsageError("train: give `decay_windows` or `decay_epochs`, not both")
    if epochs is not None:
        windows = checked("`decay_epochs`", NotNegative, epochs) * windows_per_epoch
        decay["decay_windows"] = round(checked("`decay_epochs`", float, windows))
    if usual_decay and decay.get("schedule") == "cosine":
        decay.setdefault("decay_windows", usual_decay)
    return ScheduleConfig(**decay)


def _those_of(config: type, given: Settings) -> dict[str, Any]:
    """The settings that are fields of this configuration, but for those that are configurations themselves.

    Raises UsageError for one that is not what the field asks for.
    """
    return {
        name: checked(f"`{name}`", kind, given[name])
        for name, kind in field_kinds(config).items()
        if name in given and not is_dataclass(base_of(kind))
    }
