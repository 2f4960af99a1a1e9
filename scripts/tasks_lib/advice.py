"""Advice of `gpurnn doctor`, tested by doing it: the loss before, what is said, and the loss after that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpurnn
from gpurnn.backend import get
from gpurnn.diagnosis.doctor import diagnose
from gpurnn.diagnosis.report import Report
from gpurnn.evaluation.language_model import Evaluation

Text = Callable[[Sequence[Path]], str]
TARGETS = 2048
"""Of each window, however many steps it has: the fewer steps, the more lanes."""
_TIMES = 3
"""So often advice is followed at most."""
_SECONDS = 15.0


@dataclass(frozen=True)
class Trial:
    """A run with a setting that may be wrong. text: made out of the files that were fetched.

    options: of `gpurnn.train`. setting: the one whose advice is followed, which `options` has; panel: where it is
    given. then: what is tried instead of what is advised; None: that. floor: the lowest loss that can be; None where it
    is not known.
    """

    title: str
    text: Text
    options: Mapping[str, Any]
    setting: str
    panel: str
    then: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class AdviceTask:
    """Trials by name. package, members, licence: see `LabelledTask`."""

    title: str
    package: str
    licence: str
    members: Sequence[str]
    trials: Mapping[str, Trial]


@dataclass
class Run:
    """One value of a setting. losses: of the test split, nats a symbol, one a seed.

    level, sentence: what is said of the first seed; advised: the value that this names, None without. errors: by how
    many steps they went back, the root mean square of the errors of states, that of the target's own step being 1.
    worth: of the state by how long ago it was taken away, from there to the next.
    """

    value: float
    windows: int
    losses: list[float]
    level: str
    sentence: str
    advised: float | None
    errors: list[float] = field(default_factory=list)
    worth: dict[int, float] = field(default_factory=dict)


@dataclass
class AdviceFound:
    """The runs of each trial: that before, and those after what was advised."""

    runs: dict[str, list[Run]] = field(default_factory=dict)


def measure_advice(
    task: AdviceTask, sources: Sequence[Path], folder: Path, minutes: float | None, seeds: int
) -> AdviceFound:
    """Prepare, train, ask, follow; texts, corpora and runs go into `folder`. minutes: of a training at most."""
    corpora: dict[Text, Path] = {}
    found = AdviceFound()
    for name, trial in task.trials.items():
        if trial.text not in corpora:
            corpora[trial.text] = _prepared(trial.text, sources, folder / name)
        value: float | None = trial.options[trial.setting]
        runs = found.runs.setdefault(name, [])
        while value is not None and len(runs) <= _TIMES:
            place = folder / f"{name}-{len(runs)}"
            runs.append(_run(trial, value, corpora[trial.text], place, minutes, seeds))
            value = runs[-1].advised if trial.then is None else trial.then if len(runs) == 1 else None
    return found


def _prepared(text: Text, sources: Sequence[Path], path: Path) -> Path:
    source, corpus = path.with_suffix(".txt"), path.with_suffix(".h5")
    source.write_text(text(sources), encoding="utf-8", newline="\n")
    gpurnn.prepare(source, corpus, split=(0.8, 0.1, 0.1), force=True)
    return corpus


def _run(trial: Trial, value: float, corpus: Path, place: Path, minutes: float | None, seeds: int) -> Run:
    options = {**trial.options, trial.setting: value}
    options = {"lanes": TARGETS // options["bptt"], **options}
    losses, windows = [], 0
    for seed in range(1, seeds + 1):
        ended = gpurnn.train(corpus, place / f"seed{seed}", seed=seed, minutes=minutes, **options)
        result = gpurnn.evaluate(ended, split="test", lanes=32)
        assert isinstance(result, Evaluation)
        losses.append(result.nats_per_token)
        windows = max(windows, ended.windows)
    report = diagnose(place / "seed1", get("cpu"), seconds=_SECONDS)
    panel = report.panels[trial.panel]
    advised = advised_value(panel.sentence, trial.setting)
    return Run(value, windows, losses, panel.level, panel.sentence, advised, _errors(report), _worth(report))


def advised_value(sentence: str, setting: str) -> float | None:
    """The last value of a setting that a sentence names, as in `bptt=64`; None without."""
    values: list[str] = re.findall(rf"`{setting}=([^`]+)`", sentence)
    if not values:
        return None
    return int(values[-1]) if values[-1].isdecimal() else float(values[-1])


def _errors(report: Report) -> list[float]:
    falls = report.panels["reach"].numbers.get("falls", {})
    return [float(norm / fall.rms[0]) for name, fall in falls.items() if name == "layers.0.dh" for norm in fall.rms]


def _worth(report: Report) -> dict[int, float]:
    numbers = report.panels["state"].numbers
    return dict(zip(numbers.get("positions", ()), map(float, numbers.get("lost", ())), strict=True))
