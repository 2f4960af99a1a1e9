"""All that is asked of a run, within a time: which measures it takes, in which order, and what is said where one fails.

It reads and computes in memory; a run that is being trained meanwhile does not notice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.text.language import Language
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.again import Again, again
from gpurnn.diagnosis.findings import Finding
from gpurnn.diagnosis.history import next_updates
from gpurnn.diagnosis.lanes import GoingOn, without_dropout
from gpurnn.diagnosis.passage import Passage, read_passage
from gpurnn.diagnosis.reach import Reach, reach
from gpurnn.diagnosis.recovery import FromZero, from_zero, stuck_lanes
from gpurnn.diagnosis.report import Panel, Report
from gpurnn.diagnosis.subject import NotMeasured, Subject, opened
from gpurnn.diagnosis.text import text_cost
from gpurnn.diagnosis.units import units, whole_units
from gpurnn.diagnosis.whole import Word, whole_reach
from gpurnn.diagnosis.window import window_cut
from gpurnn.diagnosis.worth import worth
from gpurnn.exceptions import GpurnnError
from gpurnn.network import Model
from gpurnn.settings import Natural, NotNegative, OneOf, checked
from gpurnn.training.snapshot import versions

PANELS = ("looked_at", "reach", "window", "state", "recovery", "units", "text", "run")
PARAMETERS = ("last", "average")
_OF_UPDATES = ("reach", "window", "run")
"""Panels that ask of the parameters that updates see, unless others are asked for."""
_STEPS, _PASSAGE, _COLOURED = 256, 480, 6
_ENDS = {"recovery": 0.15, "state": 0.3, "text": 0.35, "units": 0.4, "run": 0.5, "reach": 0.6, "window": 1.0}
"""In which order the panels are measured, and which part of the time is over when each takes no more samples.

Reach goes over its samples again, which takes about twice as long as to take them.
"""
_logger = logging.getLogger("gpurnn")


def look_at(
    subject: Subject,
    *,
    parameters: str | None = None,
    seconds: float = 25.0,
    seed: int = 1,
    on_panel: Callable[[str], None] = lambda name: None,
) -> Report:
    """All that is asked of it.

    parameters: "last" or "average" for all panels; None: those that updates see for reach, window and run, those that
    are used for the others. seconds: all measures together, which stop after the sample at which the time is over.
    on_panel: called with the name of each panel that is being measured.
    Raises UsageError for values out of their range.
    """
    if parameters is not None:
        checked("parameters", Annotated[str, OneOf(PARAMETERS)], parameters)
    checked("seconds", NotNegative, seconds)
    checked("seed", Natural, seed)
    panels = _Measures(subject, parameters, seed).all(seconds, on_panel)
    fingerprint = "" if subject.corpus is None else subject.corpus.fingerprint
    path, be = str(subject.checkpoint.path), subject.be
    return Report(str(subject.source), path, fingerprint, versions(be), be.device, seed, panels)


def diagnose(
    source: Path,
    be: Backend | None = None,
    corpus: Corpus | None = None,
    *,
    checkpoint: str = "last",
    text: str | bytes | None = None,
    on_warning: Callable[[str], None] = _logger.warning,
    **asked: Any,
) -> Report:
    """Look at a run, or at a checkpoint: see `opened`. asked: see `look_at`."""
    with opened(source, be, corpus, checkpoint=checkpoint, text=text, on_warning=on_warning) as subject:
        return look_at(subject, **asked)


class _Found(NamedTuple):
    finding: Finding
    numbers: Mapping[str, Any]
    samples: int


class _Measures:
    """Measures panel by panel; what one has found the next ones may use."""

    def __init__(self, subject: Subject, parameters: str | None, seed: int) -> None:
        self._subject, self._parameters, self._seed = subject, parameters, seed
        self._zero: FromZero | None = None
        self._passage: Passage | None = None
        self._again: Again | None = None
        self._reach: Reach | None = None
        self._clipped: float | None = None

    def all(self, seconds: float, on_panel: Callable[[str], None]) -> dict[str, Panel]:
        """All panels, in at most about so many seconds."""
        measures = {
            "recovery": self._recovery,
            "state": self._state,
            "text": self._text,
            "units": self._units,
            "run": self._run,
            "reach": self._error_reach,
            "window": self._window,
        }
        began = time.monotonic()
        found = {"looked_at": self._subject.described()}
        for name, measure in measures.items():
            on_panel(name)
            over = time.monotonic() >= began + seconds and name != "run"
            end = began + _ENDS[name] * seconds
            found[name] = self._panel(name, _too_late if over else measure, end)
        return {name: found[name] for name in PANELS}

    def _panel(self, name: str, measure: Callable[[Model, GoingOn], _Found], end: float) -> Panel:
        which = self._parameters or ("last" if name in _OF_UPDATES else "average")
        which = which if self._subject.averaged else "last"
        began = time.monotonic()
        try:
            with np.errstate(all="ignore"):
                found = measure(self._subject.models[which], lambda: time.monotonic() < end)
        except (NotMeasured, GpurnnError) as error:
            found = _Found(Finding("none", str(error)), {}, 0)
        seconds = round(time.monotonic() - began, 3)
        return Panel(found.finding.level, found.finding.sentence, found.numbers, seconds, found.samples, which)

    def _recovery(self, model: Model, going_on: GoingOn) -> _Found:
        places = self._subject.places("valid", "recovery")
        self._zero = found = from_zero(model, places, seed=self._seed, going_on=going_on)
        stuck = np.sort(found.starts[found.stuck])
        example = self._subject.told_of(places, int(stuck[0])) if len(stuck) else ""
        state = self._subject.carried(model)
        carried = None if state is None else stuck_lanes(model, places, state, found)
        numbers = {"stuck": len(stuck), "starts": len(found.starts), "worst": found.worst, "places": stuck}
        numbers |= {"state_stuck_lanes": carried}
        finding = findings.of_recovery(found, model.head.unit, example, carried, self._subject.kind)
        return _Found(finding, numbers, len(found.starts))

    def _state(self, model: Model, going_on: GoingOn) -> _Found:
        places = self._subject.places("valid", "state")
        if self._zero is None:
            raise NotMeasured("not measured: it needs starts from an empty state, see recovery")
        found = worth(model, places, self._zero, going_on)
        finding = findings.of_worth(found, model.head.unit, self._subject.kind, self._subject.config.burn_in)
        numbers = vars(found) | {"unit": model.head.unit}
        if isinstance(self._subject.meaning, Language):
            self._again = again(model, places, self._zero, going_on)
            numbers["again"] = self._again
            steps = self._subject.config.bptt
            finding = findings.with_what_comes_again(finding, self._again, steps, model.head.unit)
        return _Found(finding, numbers, found.starts)

    def _units(self, model: Model, going_on: GoingOn) -> _Found:
        subject, numbers = self._subject, dict[str, Any]()
        if not subject.through:
            found = whole_units(model, subject.task, going_on)
        else:
            vocabulary = subject.meaning.vocabulary if isinstance(subject.meaning, Language) else None
            found = units(model, subject.places("valid", "units"), vocabulary, seed=self._seed)
        if self._passage is not None:
            at = [self._passage.at[each.name][:, each.unit] for each in found.ranked[:_COLOURED]]
            numbers["passage_values"] = [np.round(each.astype(np.float64), 3) for each in at]
        return _Found(findings.of_units(found, subject.epochs), vars(found) | numbers, found.values)

    def _text(self, model: Model, going_on: GoingOn) -> _Found:
        places, given = self._subject.places("valid", "text"), self._subject.given
        corpus, language = self._subject.corpus, self._subject.meaning
        assert corpus is not None
        assert isinstance(language, Language)
        found = text_cost(model, corpus, "valid", going_on)
        window = given
        if window is None:
            window = places.window(np.array([found.begin]), min(_PASSAGE + 1, places.count - found.begin))
        self._passage = passage = read_passage(model, language.vocabulary, window, first=int(given is None))
        mean = None if given is None else float(passage.losses[1:].mean())
        numbers = vars(found) | {"mean": found.total / found.targets, "given": mean}
        numbers |= {"passage": passage.symbols, "passage_losses": passage.losses}
        return _Found(findings.of_text(found, model.head.unit, mean, len(language.vocabulary)), numbers, found.targets)

    def _run(self, model: Model, going_on: GoingOn) -> _Found:
        subject, updates = self._subject, None
        log, why_not = subject.log()
        if subject.corpus is not None and subject.own_corpus and going_on():
            try:
                updates = next_updates(
                    subject.be, subject.corpus, subject.config, subject.checkpoint, going_on=going_on
                )
            except GpurnnError as error:
                why_not = why_not or f"its next updates are not known: {error}"
        if updates is not None:
            self._clipped = float(updates.clipped.mean())
        elif log is not None:
            self._clipped = log.clipped
        numbers: dict[str, Any] = {} if log is None else vars(log) | {"overfitting": log.overfitting}
        numbers["updates"] = None if updates is None else vars(updates)
        samples = 0 if updates is None else len(updates.ratio)
        return _Found(findings.of_run(log, updates, why_not), numbers, samples)

    def _error_reach(self, model: Model, going_on: GoingOn) -> _Found:
        subject, model = self._subject, without_dropout(model)
        words: tuple[Word, ...] = ()
        if not subject.through or subject.input_vocabulary is not None:
            vocabulary = subject.input_vocabulary
            found, words = whole_reach(model, subject.task, vocabulary, seed=self._seed, going_on=going_on)
        if subject.through:
            places = subject.places("train", "reach")
            steps = min(_STEPS, places.count // 2)
            self._reach = found = reach(model, places, steps=steps, seed=self._seed, going_on=going_on)
        finding = findings.of_reach(found, self._clipped, subject.epochs, subject.output)
        numbers = vars(found) | {"half": findings.slowest(found)[1].half, "words": words}
        return _Found(findings.with_words(finding, words), numbers, found.targets)

    def _window(self, model: Model, going_on: GoingOn) -> _Found:
        config, places = self._subject.config, self._subject.places("train", "window")
        found = window_cut(
            without_dropout(model), places, steps=config.bptt, lanes=config.lanes, seed=self._seed, going_on=going_on
        )
        name = findings.recurrent_matrix(found)
        kept = found.kept[name]
        shares = None if self._reach is None else self._reach.shares.get(name)
        finding = findings.of_window(found, shares, self._subject.epochs, self._again)
        own = {"parameter": name, "cosine": kept.cosine[found.own], "share": kept.share[found.own]}
        return _Found(finding, vars(found) | own, found.samples)


def _too_late(model: Model, going_on: GoingOn) -> _Found:
    raise NotMeasured("not measured: the time was over; give more `seconds`")
