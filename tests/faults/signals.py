"""Signals of every kind at random during training, and what the runs go on to."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from signalled import send

from faults.cases import Context, Outcome, run_child
from faults.training import GOING, LONG, after_each_save, begin_anew_after, check_run, prepare_run, refuse
from gpurnn import backend
from gpurnn.exceptions import GpurnnError
from gpurnn.runs.directory import RunDirectory
from gpurnn.signals import SAVE, STOPS
from gpurnn.training.config import Limits
from gpurnn.training.learner import Learner
from gpurnn.training.session import resumed_run
from gpurnn.training.signals import SignalWatch
from gpurnn.training.trainer import Trainer
from gpurnn.training.validation import ForwardPass

KINDS = (*STOPS, SAVE, signal.SIGKILL)
FURTHER = 3  # windows that a run goes on after a signal


def strike(each: int, seed: int, scratch: str, longest: float = 0.15) -> dict[str, Any]:
    """Send training `each` signals of each kind, every one after a random part of `longest` seconds, and go on.

    Returns {"kinds": signals by name, "cut": validations that they cut short, "violations"}: each after which the run
    is not, or does not go on to, what an undisturbed one is, bit by bit; each but SIGKILL that took more than the
    window at work, or ended with another code.
    """
    folder = Path(scratch) / "struck"
    folder.mkdir()
    prepare_run(folder)
    generator = random.Random(seed)
    cut, violations = 0, []
    for number, kind in enumerate(KINDS * each):
        outcome = run_child(replace(GOING, work=work), folder, send=(generator.uniform(0, longest), kind))
        try:
            least, most = _expected(kind, outcome)
            cut += _go_on(folder / "run", least, most)
            begin_anew_after(folder, least)
        except (AssertionError, GpurnnError) as exc:
            violations.append(f"signal {number} ({kind.name}): {exc}")
            begin_anew_after(folder, LONG)
    return {"kinds": {kind.name: each for kind in KINDS}, "cut": cut, "violations": violations}


def _expected(kind: signal.Signals, outcome: Outcome) -> tuple[int, int]:
    """The least and the most windows of the last checkpoint; raises AssertionError where the child ended otherwise."""
    if kind == signal.SIGKILL:
        assert outcome.signal == kind, f"ended before: {outcome.ending}: {outcome.text}"
        return int(outcome.marks[-1]) if outcome.marks else 2, 1 << 62
    assert outcome.ending == "done", f"{outcome.ending} by signal {outcome.signal}: {outcome.text}"
    *saved, last = outcome.marks
    code, struck, ended = map(int, last.split())
    if kind == SAVE:
        assert code == 0
        assert {str(struck), str(struck + 1)} & set(saved), f"no checkpoint on demand: {outcome.marks}"
        assert ended == struck + FURTHER, f"it did not go on: {outcome.marks}"
    else:
        assert code == 128 + kind, f"exit code {code}"
        assert ended - struck <= 1, f"went on for more than a window: {outcome.marks}"
    assert saved[-1] == str(ended), f"the last checkpoint is of window {saved[-1]}: {outcome.marks}"
    return ended, ended


def _go_on(run: Path, least: int, most: int) -> bool:
    """Compare what is left with the reference, and so what it goes on to; returns whether a validation was due.

    A run whose last validation was cut short has the bits of the reference once the resume has made it.
    """
    progress = RunDirectory(run, refuse).load("last").header["progress"]
    window, was_cut = progress["windows"], "line_due" in progress
    assert least <= window <= most, f"expected a checkpoint of window {least} to {most}, found {window}"
    if not was_cut:
        check_run(run, window, window)
    for further in (0, FURTHER) if was_cut else (FURTHER,):
        resumed_run(backend.get("cpu"), run, refuse).run(Limits(windows=window + further))
        check_run(run, window + further, window + further)
    return was_cut


@dataclass
class Struck:
    """Where a run was when its first signal came, and which that was."""

    trainer: Trainer
    number: int = 0
    windows: list[int] = field(default_factory=list)

    def note(self, number: int) -> None:
        self.number = self.number or number
        self.windows.append(self.trainer.learner.progress.windows)


def work(folder: Path, context: Context) -> None:
    """Trains until a signal, or some windows further after SIGUSR1.

    Marks each checkpoint, and at last the exit code, the windows at the signal and those at the end.
    """
    trainer = resumed_run(backend.get("cpu"), folder / "run", context.warn)
    after_each_save(trainer, lambda window, *packed: context.mark(str(window)))
    struck = Struck(trainer)
    act, losses = SignalWatch._act, ForwardPass.losses

    def noting(self: SignalWatch, number: signal.Signals) -> None:
        struck.note(number)
        act(self, number)

    def slowly(self: ForwardPass, windows: Any) -> Iterator[Any]:
        for found in losses(self, windows):
            time.sleep(0.01)  # so that some signals come in a validation
            yield found

    SignalWatch._act = noting  # type: ignore[method-assign]
    ForwardPass.losses = slowly  # type: ignore[method-assign]
    ready = False

    def window(learner: Learner) -> None:
        nonlocal ready
        time.sleep(0.002)  # so that the run does not leave the reference behind
        if not ready:
            ready = True
            context.ready()
        if struck.number == SAVE and learner.progress.windows >= struck.windows[0] + FURTHER:
            send(signal.SIGTERM)

    ended = trainer.run(Limits(windows=1 << 40), on_window=window)
    code = ended.exit_code - (128 + signal.SIGTERM if struck.number == SAVE else 0)
    context.mark(f"{code} {struck.windows[0]} {ended.windows}")
