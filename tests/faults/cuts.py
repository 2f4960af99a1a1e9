"""A run that was killed at chosen windows and resumed has the bits of one that was not."""

import math
import os
import shutil
import signal
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import devices
from faults.cases import Context, Outcome, Scenario, run_child
from faults.training import VALIDATE_EVERY, digest, refuse, settings, without_clock, write_corpus
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window, WindowStream
from gpurnn.exceptions import GpurnnError
from gpurnn.generation.generate import generate
from gpurnn.runs.checkpoint import Checkpoint, read_checkpoint
from gpurnn.runs.log import read_log
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.meaning import load_language
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.trainer import Trainer

SKIPPED = (13, 46, 813)
"""Windows, counted from 0, whose loss and gradient are made not finite, with and without a kill."""
SAMPLE, SHORT_SAMPLE = 300, 40

Cuts = dict[int, str]
"""After how many windows a run is saved and then killed, and what is special there."""


def cut_points(folder: Path, windows: int) -> Cuts:
    """At least 20, all below `windows`: in the first epoch and, where there are several, late in the run."""
    with Corpus.open(folder / "corpus.h5") as corpus:
        config = settings(corpus)
        with WindowStream(corpus, "train", lanes=config.lanes, steps=config.bptt, epochs=1) as stream:
            epoch = stream.windows_per_epoch
            boundaries = [window.index for window in stream if window.index and window.has_boundary]
    chosen = [boundaries[0], boundaries[len(boundaries) // 2], boundaries[-1]]
    points = {windows // 2: "half-way", windows - 2: "near the end"}
    for first in {0, max(0, windows // epoch - 2) * epoch}:
        cadences = config.schedule.decay_every, config.log_every, config.validate_every
        step, line, validation = (first + every - first % every for every in cadences)
        points |= {first + 3: "inside an epoch", first + 29: "inside an epoch", first + epoch + 5: "inside an epoch"}
        points |= {first + epoch - 1: "before an epoch's edge", first + epoch: "at an epoch's edge"}
        points |= {first + epoch + 1: "after an epoch's edge", line: "at a log line"}
        points |= {step: "after a schedule step", step + 1: "after a schedule step"}
        points |= {validation: "at a validation", validation + 1: "after a validation"}
        for boundary in chosen:
            points |= {
                first + boundary: "before a document boundary",
                first + boundary + 1: "after a document boundary",
            }
    for skipped in SKIPPED:
        points |= {skipped: "before a skipped window", skipped + 1: "right after a skipped window"}
    points |= {1: "windows prefetched: none consumed but one", 2: "windows prefetched: two consumed"}
    found = {at: why for at, why in sorted(points.items()) if 0 < at < windows - 1}
    assert len(found) >= 20, found
    return found


@dataclass(frozen=True)
class _Case:
    """Runs of one cell on one device, each stage of a run in a process of its own, so that a device starts anew too."""

    folder: Path
    cell: str
    device: str
    windows: int
    points: Collection[int]
    """Where a process says what it has: once when it comes there, and when it goes on from there."""

    def stage(self, run: str, at: int = 0, beyond: int = 0, graphs: bool = False) -> Outcome:
        """Train to the end and sample; or with `at`, save after so many windows and be killed 1 + `beyond` later."""

        def work(folder: Path, context: Context) -> None:
            self._work(context, folder / run, at, beyond, graphs)

        return run_child(Scenario(lambda folder: None, work, lambda folder, outcome: None), self.folder)

    def _work(self, context: Context, run: Path, at: int, beyond: int, graphs: bool) -> None:
        be = devices.get(self.device, graphs=graphs)
        with Corpus.open(self.folder / "corpus.h5") as corpus:
            if run.exists():
                trainer = resumed_run(be, run, refuse)
            else:
                trainer = new_run(be, corpus, settings(corpus, self.cell), run, refuse)
            self._strike_and_tell(trainer, context)

            def act(learner: Learner) -> None:
                if at and learner.progress.windows == at:
                    os.kill(os.getpid(), signal.SIGUSR1)
                if at and learner.progress.windows == at + beyond + 1:
                    os.kill(os.getpid(), signal.SIGKILL)

            trainer.run(Limits(windows=self.windows), checkpoint_minutes=1e6, on_window=act)
            (run / "sample.txt").write_text(_sample(trainer, SAMPLE))

    def _strike_and_tell(self, trainer: Trainer, context: Context) -> None:
        """Before each window: make it one that is skipped, where it is to be; say what the run has, where it counts."""
        consume = trainer.learner.consume

        def consuming(window: Window) -> None:
            at = trainer.learner.progress.windows
            if at in self.points:
                context.mark(f"{at} {digest(*trainer.learner.pack())} {_sample(trainer, SHORT_SAMPLE)!r}")
            if at in SKIPPED:
                trainer.learner._workspace.batch.scale.fill(math.nan)
            consume(window)

        trainer.learner.consume = consuming  # type: ignore[method-assign]


def _sample(trainer: Trainer, length: int) -> str:
    language = load_language(Checkpoint(*trainer.learner.pack(), None, 1))
    return "".join(str(piece) for piece in generate(trainer.learner.model, language, length=length, seed=1))


class _Undisturbed:
    """The run that nothing kills, and what another one has to be like."""

    def __init__(self, case: _Case) -> None:
        self._case, self._run = case, case.folder / "whole"
        outcome = case.stage("whole")
        assert outcome.ending == "done", f"the undisturbed run: {outcome.ending}: {outcome.text}"
        self._marks = {int(mark.split()[0]): mark for mark in outcome.marks}
        assert self._marks.keys() == set(case.points), f"told of {sorted(self._marks)}"
        self._log = _log(self._run)
        skipped = max(entry.get("skipped_windows", 0) for entry in self._log)
        assert skipped == sum(window < case.windows for window in SKIPPED), f"{skipped} windows were skipped"

    def check_stage(self, outcome: Outcome, was: int) -> None:
        """What a stage told that began after `was` windows: parameters, moments, state, progress, samples."""
        assert outcome.ending in ("killed", "done"), f"{outcome.ending}: {outcome.text}"
        told = [int(mark.split()[0]) for mark in outcome.marks]
        assert not was or told[:1] == [was], f"told of {told[:1]} first"
        other = [at for at, mark in zip(told, outcome.marks, strict=True) if mark != self._marks[at]]
        assert not other, f"other tensors, progress or samples after windows {other}"

    def check_killed(self, run: Path, outcome: Outcome, at: int) -> None:
        """What a stage left behind that was killed past `at`: its checkpoint, and the log."""
        assert outcome.signal == signal.SIGKILL, f"not killed: {outcome.ending} {outcome.text}"
        checkpoint = read_checkpoint(max((run / "checkpoints").iterdir()))
        found = f"{checkpoint.header['progress']['windows']} {digest(checkpoint.tensors, checkpoint.header)}"
        assert self._marks[at].startswith(found), f"the checkpoint is {found}, expected {self._marks[at]}"
        log = _log(run)
        expected = [entry for entry in self._log if entry["window"] <= at]
        assert log[: len(expected)] == expected and log == self._log[: len(log)], "the log differs"

    def check_end(self, run: Path) -> None:
        """Everything after the last window."""
        found = differences(self._run, run)
        assert not found, f"at the end differ {', '.join(found)}"


def _log(run: Path) -> list[dict[str, Any]]:
    return [without_clock(entry) for entry in read_log(run / "log.jsonl")]


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two runs that ended after the same window, apart from the clock."""
    mine, theirs = (read_checkpoint(max((run / "checkpoints").iterdir())) for run in (one, other))
    found = [] if mine.tensors.keys() == theirs.tensors.keys() else ["names of tensors"]
    found += [
        name
        for name, array in mine.tensors.items()
        if name not in theirs.tensors or array.tobytes() != theirs.tensors[name].tobytes()
    ]
    progress = [{**checkpoint.header["progress"], "seconds": 0} for checkpoint in (mine, theirs)]
    found += [name for name, value in progress[0].items() if value != progress[1][name]]
    found += ["the log"] if _log(one) != _log(other) else []
    samples = {(run / "sample.txt").read_bytes() for run in (one, other)}
    return found + (["the sample"] if len(samples) > 1 else [])


def cut(
    cell: str, windows: int, scratch: str, device: str = "cpu", most: int = 0, chained: bool = True
) -> dict[str, Any]:
    """Compare `windows` windows with as many that were killed and resumed at cut points (`most`: at most so many).

    Each cut is of a run of its own; or where they are chained, all but the one half-way follow one another in one run.
    A resumed process runs its windows as CUDA graphs where the one before it did not, and the other way round.

    Returns {"cases", "kinds": what was special, how often, "violations": one line each}.
    """
    folder = Path(scratch) / f"cut-{cell}"
    folder.mkdir()
    write_corpus(folder)
    points = cut_points(folder, windows)
    if most:
        points = dict(list(points.items())[:: max(1, len(points) // most)][:most])
    apart = [at for at in points if not chained or at == windows // 2]
    runs = [{at: points[at]} for at in apart] + [{at: why for at, why in points.items() if at not in apart}]
    whole = _Undisturbed(case := _Case(folder, cell, device, windows, points.keys()))
    return {
        "cases": len(points),
        "kinds": dict(Counter(points.values())),
        "violations": [line for cuts in runs if cuts for line in _disturbed(case, whole, cuts)],
    }


def _disturbed(case: _Case, whole: _Undisturbed, cuts: Cuts) -> list[str]:
    """One run that is killed at each of `cuts` and goes on; a line for each after which it was another run."""
    violations = []
    run, was, why = case.folder / "parts", 0, "before any"
    for number, at in enumerate((*cuts, 0)):
        quiet = max(0, -at % VALIDATE_EVERY - 1)  # windows until a validation, which may save
        beyond = min(list(case.points).index(at) % 3, case.windows - at - 1, quiet) if at else 0
        outcome = case.stage(run.name, at, beyond, graphs=number % 2 == 1)
        try:
            whole.check_stage(outcome, was)
            if at:
                whole.check_killed(run, outcome, at)
            else:
                whole.check_end(run)
        except (AssertionError, GpurnnError, OSError) as exc:
            violations.append(f"{case.cell} on {case.device}, cut after window {was}, {why}: {exc}")
        was, why = at, cuts.get(at, "")
    shutil.rmtree(run)
    return violations
