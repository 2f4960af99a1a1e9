"""Everything that decides the bits of a run, and the limits that only decide when it stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from gpurnn.data.stream.labelled import LAYOUTS
from gpurnn.exceptions import RunError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.settings import (
    BelowOne,
    Count,
    Natural,
    NotNegative,
    OneOf,
    Seed,
    Share,
    check_fields,
    keys_of,
    renamed,
    stored,
)
from gpurnn.training.divergence import CHOICES
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

CADENCES = ("log_every", "validate_every")
"""Fields that may differ when a run is resumed."""
COUNTED_LANES = ("sound", "all")
_OF_KINDS: dict[str, Any] = {
    "target": (),
    "ahead": (),
    "burn_in": 0,
    "layout": "through",
    "cut": False,
    "context": 0,
    "class_weights": (),
    "target_bptt": 0,
    "scheduled_sampling": 0.0,
}
"""Keys that stand only in files of runs on series, on labels and tags, or on pairs, and what others have."""
_ADDED = {"average": 0.0, "restart": 0.0, "judged_lanes": "all"} | _OF_KINDS
"""Keys that files of earlier runs did not have, and what runs of that time did."""


def usual_layout(start: Any) -> str:
    """The layout of runs whose files do not speak of one: whole where sequences begin with what is known of them."""
    return "whole" if start in ("encoder", "vector") else "through"


@renamed(steps="bptt", judged_lanes="counted_lanes")
@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run; the same settings, corpus, machine and versions give the same bits.

    lanes: B. bptt: T, the steps of a window. restart: the probability with which a lane begins anew, from a state
    of zeros, at a window's start. seed: of the initial parameters, the dropout masks and the restarts. log_every:
    in windows. validate_every: likewise; 0: never. validate_windows: how many windows of the valid split a
    validation reads at most. counted_lanes: which lanes of a validation decide what is best: "sound" leaves those
    out that are stuck. patience: stop after so many validations in a row without a better one; 0: never.
    skip_limit: stop after so many windows skipped in a row. on_divergence: one of `divergence.CHOICES`.
    divergence_nats: how far above the lowest a mean loss is high, of real targets as a share of it; 0: never.
    Of series only: target: the columns that are forecast. ahead: how far, durations. burn_in: how many rows a state has
    to have seen before a forecast from it is learnt from.
    Of labels, tags, pairs and captions: layout: "whole" or "through", see `gpurnn.data.stream.labelled`; of pairs it
    is "whole". Of labels and tags only: cut, context: see `WholeStream`. class_weights: "balanced", or a "LABEL=W"
    each: what the loss of a label counts.
    Of pairs only: target_bptt: the steps of a window for the target; `bptt` are those for the source. Of pairs and
    captions: scheduled_sampling: the probability with which a step reads its own symbol, see `OwnSymbols`.
    """

    model: ModelConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    lanes: Count = 32
    bptt: Count = 64
    restart: BelowOne = 0.02
    seed: Seed = 1
    log_every: Count = 50
    validate_every: Natural = 200
    validate_windows: Count = 60
    counted_lanes: Annotated[str, OneOf(COUNTED_LANES)] = "sound"
    patience: Natural = 0
    skip_limit: Count = 25
    on_divergence: Annotated[str, OneOf(CHOICES)] = "count"
    divergence_nats: NotNegative = 1.0
    target: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    burn_in: Natural = 0
    layout: Annotated[str, OneOf(LAYOUTS)] = "through"
    cut: bool = False
    context: Natural = 0
    class_weights: tuple[str, ...] = ()
    target_bptt: Natural = 0
    scheduled_sampling: Share = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values, by the keys of config.json and of checkpoints."""
        usual = _OF_KINDS | {"layout": usual_layout(self.model.start)}
        plain = {key: value for key, value in stored(self).items() if (key, value) not in usual.items()}
        lists = {key: list(value) for key, value in plain.items() if isinstance(value, tuple)}
        return plain | lists | {"model": self.model.to_json()}

    @classmethod
    def from_json(cls, data: Any, source: str) -> TrainConfig:
        """The configuration that `to_json` described. Raises RunError for anything else, naming `source`."""
        parts = {"model": ModelConfig, "optimizer": OptimizerConfig, "schedule": ScheduleConfig}
        if isinstance(data, dict):
            model = data.get("model")
            data = {"layout": usual_layout(model.get("start") if isinstance(model, dict) else None)} | data
        plain = dict(_fields(cls, data, source))
        try:
            for name, part in parts.items():
                data = plain[name]
                if part is ModelConfig and isinstance(data, dict):
                    data = ModelConfig.completed(data)
                plain[name] = part(**_fields(part, data, f"{source}: {name}"))
            return cls(**plain)
        except UsageError as error:
            raise RunError(f"{source}: {error}; was it changed by hand?") from None

    def differences(self, other: TrainConfig) -> list[str]:
        """What differs between two configurations apart from cadences, one "name: this, that" each."""
        mine, theirs = _flat(stored(self)), _flat(stored(other))
        return [f"{k}: {mine[k]}, {theirs[k]}" for k in mine if mine[k] != theirs[k] and k not in CADENCES]


@dataclass(frozen=True)
class Limits:
    """When to stop. epochs, windows: counted from the run's beginning; minutes: of this call; None: no limit."""

    epochs: Natural | None = None
    windows: Natural | None = None
    minutes: NotNegative | None = None

    def __post_init__(self) -> None:
        check_fields(self)


def _fields(kind: type, data: Any, source: str) -> Mapping[str, Any]:
    """The fields of `kind` out of `data` where it has exactly their keys; what they hold, `kind` looks at."""
    keys = keys_of(kind)
    if isinstance(data, dict):
        data = {key: value for key, value in _ADDED.items() if key in keys.values()} | data
    if not isinstance(data, dict) or set(data) != set(keys.values()) or None in data.values():
        raise RunError(f"{source}: expected the keys {', '.join(keys.values())}; was it written by another version?")
    return {name: data[key] for name, key in keys.items()}


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat
