"""What is told of a run: panels with a level, a sentence and numbers, as a program and a person read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

import numpy as np

from gpurnn.diagnosis.findings import LEVELS

FORMAT = 1


@dataclass(frozen=True)
class Panel:
    """What is said of one question. level: see `findings`. numbers: what was measured, by name.

    seconds: it took. samples: targets, starts or the like that it rests on. parameters: "last", those that updates
    see, or "average", those that are validated and used; "" where it looked at none.
    """

    level: str
    sentence: str
    numbers: Mapping[str, Any]
    seconds: float = 0.0
    samples: int = 0
    parameters: str = ""


@dataclass(frozen=True)
class Report:
    """All panels by their names. run, checkpoint: paths. fingerprint: of the corpus, "" without. seed: of all draws."""

    run: str
    checkpoint: str
    fingerprint: str
    versions: Mapping[str, str]
    device: str
    seed: int
    panels: Mapping[str, Panel]

    @property
    def level(self) -> str:
        """The highest."""
        return max((panel.level for panel in self.panels.values()), key=LEVELS.index)

    def said(self, names: Callable[[str], str]) -> Report:
        """The same with other names of settings in its sentences. names: what a sentence becomes."""
        panels = {name: replace(panel, sentence=names(panel.sentence)) for name, panel in self.panels.items()}
        return replace(self, panels=panels)

    def to_json(self, against: Report | None = None) -> dict[str, Any]:
        """A dictionary of JSON values; what is not finite is null. against: of another run, under that key."""
        found: dict[str, Any] = plain({"format": FORMAT, **vars(self)})
        return found if against is None else found | {"against": against.to_json()}


def plain(value: Any) -> Any:
    """Dataclasses, arrays and numbers as JSON has them."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
