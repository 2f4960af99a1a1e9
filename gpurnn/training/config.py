"""Everything that decides the bits of a run, and the limits that only decide when it stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from gpurnn.exceptions import RunError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.training.divergence import CHOICES
from gpurnn.training.optim import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

CADENCES = ("log_every", "validate_every")
"""Fields that may differ when a run is resumed."""
JUDGED_LANES = ("sound", "all")
_ADDED = {"average": 0.0, "restart": 0.0, "judged_lanes": "all"}
"""Fields that earlier runs did not have, and what runs of that time did."""


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run; the same settings, corpus, machine and versions give the same bits.

    lanes: B. steps: T. restart: the probability with which a lane begins anew, from a state of zeros, at a window's
    start. seed: of the initial parameters, the dropout masks and the restarts. log_every: in windows. validate_every:
    likewise; 0: never. validate_windows: how many windows of the valid split a validation reads at most. judged_lanes:
    which lanes of a validation decide what is best: "sound" leaves those out that are stuck. patience: stop
    after so many validations in a row without a better one; 0: never. skip_limit: stop after so many windows skipped
    in a row. on_divergence: one of `divergence.CHOICES`. divergence_nats: how far above the lowest a mean loss is high;
    0: never.
    """

    model: ModelConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    lanes: int = 32
    steps: int = 64
    restart: float = 0.02
    seed: int = 1
    log_every: int = 50
    validate_every: int = 200
    validate_windows: int = 60
    judged_lanes: str = "sound"
    patience: int = 0
    skip_limit: int = 25
    on_divergence: str = "count"
    divergence_nats: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps (--bptt): expected at least 1, found {self.steps}")
        for name in ("lanes", "log_every", "validate_windows", "skip_limit"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected at least 1, found {getattr(self, name)}")
        for name in ("seed", "validate_every", "patience"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name}: expected 0 or more, found {getattr(self, name)}")
        if self.on_divergence not in CHOICES:
            raise UsageError(f"on_divergence: expected one of {', '.join(CHOICES)}, found {self.on_divergence!r}")
        if self.judged_lanes not in JUDGED_LANES:
            raise UsageError(f"judged_lanes: expected one of {', '.join(JUDGED_LANES)}, found {self.judged_lanes!r}")
        if not 0 <= self.restart < 1:
            raise UsageError(f"restart: expected 0 or more and less than 1, found {self.restart}")
        if not (math.isfinite(self.divergence_nats) and self.divergence_nats >= 0):
            raise UsageError(f"divergence_nats: expected 0 or more, found {self.divergence_nats}")
        if self.seed >= 2**63:
            raise UsageError(f"seed: expected less than 2**63, found {self.seed}")

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any, source: str) -> TrainConfig:
        """The configuration that `to_json` described. Raises RunError for anything else, naming `source`."""
        parts = {"model": ModelConfig, "optimizer": OptimizerConfig, "schedule": ScheduleConfig}
        plain = dict(_checked(cls, data, source))
        try:
            for name, part in parts.items():
                plain[name] = part(**_checked(part, plain.get(name), f"{source}: {name}"))
            return cls(**plain)
        except UsageError as error:
            raise RunError(f"{source}: {error}; was it changed by hand?") from None

    def differences(self, other: TrainConfig) -> list[str]:
        """What differs between two configurations apart from cadences, one "name: this, that" each."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        return [f"{k}: {mine[k]}, {theirs[k]}" for k in mine if mine[k] != theirs[k] and k not in CADENCES]


@dataclass(frozen=True)
class Limits:
    """When to stop. epochs, windows: counted from the run's beginning; minutes: of this call; None: no limit."""

    epochs: int | None = None
    windows: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and not 0 <= limit < math.inf:
                raise UsageError(f"{name}: expected 0 or more, found {limit}")


_T = TypeVar("_T")


def _checked(kind: type[_T], data: Any, source: str) -> Mapping[str, Any]:
    """`data` where it has exactly the fields of `kind`, each of the type of its default or of its annotation."""
    names = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]
    if isinstance(data, dict):
        data = {name: value for name, value in _ADDED.items() if name in names} | data
    if not isinstance(data, dict) or set(data) != set(names):
        raise RunError(f"{source}: expected the fields {', '.join(names)}; was it written by another version?")
    for name, annotation in names.items():
        allowed = {"int": (int,), "float": (int, float), "str": (str,)}.get(str(annotation), (dict,))
        if not isinstance(data[name], allowed) or isinstance(data[name], bool):
            raise RunError(f"{source}: {name}: expected {annotation}, found {data[name]!r:.60}")
    return data


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat
