"""A run that was killed at a chosen window and resumed has the bits of one that was not; nor do saves change bits."""

import math
import os
import shutil
import signal
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from faults import devices
from faults.cases import Context, Outcome, Scenario, run_child
from faults.training import refuse, settings, without_clock, write_corpus
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.exceptions import GpurnnError
from gpurnn.generate import generate
from gpurnn.training.checkpoint import read_checkpoint
from gpurnn.training.config import Limits
from gpurnn.training.runlog import read_log
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.snapshot import load_language
from gpurnn.training.trainer import Trainer

SKIPPED = (13, 46)
"""Windows, counted from 0, whose gradient is made not finite, with and without a kill."""
SAMPLE = 300


def cut_points(folder: Path, windows: int) -> dict[int, str]:
    """After how many windows to save and be killed, and what is special there; at least 20, all below `windows`."""
    with Corpus.open(folder / "corpus.h5") as corpus:
        config = settings(corpus)
        with WindowStream(corpus, "train", lanes=config.lanes, steps=config.steps, epochs=1) as stream:
            epoch = stream.windows_per_epoch
            boundaries = [window.index for window in stream if window.index and window.has_boundary]
    every = config.schedule.every
    points = {3: "inside an epoch", 29: "inside an epoch", epoch + 5: "inside an epoch", windows // 2: "half-way"}
    points |= {epoch - 1: "before an epoch's edge", epoch: "at an epoch's edge", epoch + 1: "after an epoch's edge"}
    points |= {every: "after a schedule step", every + 1: "after a schedule step"}
    for skipped in SKIPPED:
        points |= {skipped: "before a skipped window", skipped + 1: "right after a skipped window"}
    for boundary in (boundaries[0], boundaries[len(boundaries) // 2], boundaries[-1]):
        points |= {boundary: "before a document boundary", boundary + 1: "after a document boundary"}
    points |= {10: "at a log line", 35: "at a validation", 36: "after a validation", windows - 2: "near the end"}
    points |= {1: "windows prefetched: none consumed but one", 2: "windows prefetched: two consumed"}
    found = {at: why for at, why in sorted(points.items()) if 0 < at < windows}
    assert len(found) >= 20, found
    return found


def _poisoned(trainer: Trainer, windows: Collection[int]) -> Trainer:
    """Make the gradient of these windows not finite."""
    backward = trainer.model.backward

    def poisoned(*arguments: Any, **named: Any) -> None:
        backward(*arguments, **named)
        if trainer.progress.windows in windows:
            trainer.model.params.gradients[0] = math.nan

    trainer.model.backward = poisoned  # type: ignore[method-assign]
    return trainer


def _work(folder: Path, run: str, cell: str, device: str, windows: int, cut: int = 0, beyond: int = 0) -> None:
    """Train to the end and sample; or with `cut`, save there and be killed so many windows later."""
    be = devices.get(device)
    with Corpus.open(folder / "corpus.h5") as corpus:
        if (folder / run).exists():
            trainer = resumed_run(be, folder / run, refuse)
        else:
            trainer = new_run(be, corpus, settings(corpus, cell), folder / run, refuse)

        def act(consumed: int) -> None:
            if cut and consumed == cut:
                os.kill(os.getpid(), signal.SIGUSR1)
            if cut and consumed == cut + beyond + 1:
                os.kill(os.getpid(), signal.SIGKILL)

        last = _poisoned(trainer, SKIPPED).run(Limits(windows=windows), on_window=act).checkpoint
    language = load_language(read_checkpoint(Path(last)))
    text = "".join(str(piece) for piece in generate(trainer.model, language, length=SAMPLE, seed=1))
    (folder / run / "sample.txt").write_text(text)


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
    logs = [[without_clock(entry) for entry in read_log(run / "log.jsonl")] for run in (one, other)]
    found += ["the log"] if logs[0] != logs[1] else []
    samples = [(run / "sample.txt").read_bytes() for run in (one, other) if (run / "sample.txt").exists()]
    return found + (["the sample"] if len(set(samples)) > 1 else [])


def cut(cell: str, windows: int, scratch: str, device: str = "cpu", most: int = 0) -> dict[str, Any]:
    """Compare `windows` windows with as many that were killed and resumed, at each cut point (`most`: at most so many).

    Every run is a process of its own, so that a device starts anew too.

    Returns {"cases", "kinds": what was special, how often, "violations": one line each}.
    """
    folder = Path(scratch) / f"cut-{cell}"
    folder.mkdir()
    write_corpus(folder)
    _child(folder, "whole", cell, device, windows)
    points = list(cut_points(folder, windows).items())
    points = points[:: max(1, len(points) // most)][:most] if most else points
    report: dict[str, Any] = {"cases": 0, "kinds": {}, "violations": []}
    for number, (at, why) in enumerate(points):
        report["cases"] += 1
        report["kinds"][why] = report["kinds"].get(why, 0) + 1
        try:
            killed = _child(folder, "parts", cell, device, windows, cut=at, beyond=min(number % 3, windows - at - 1))
            assert killed.signal == signal.SIGKILL or at + 1 >= windows, f"not killed: {killed.ending} {killed.text}"
            _child(folder, "parts", cell, device, windows)
            found = differences(folder / "whole", folder / "parts")
            assert not found, f"differs in {', '.join(found)}"
        except (AssertionError, GpurnnError) as exc:
            report["violations"].append(f"{cell} cut after window {at}, {why}: {exc}")
        shutil.rmtree(folder / "parts", ignore_errors=True)
    return report


def _child(folder: Path, run: str, cell: str, device: str, windows: int, **cut: int) -> Outcome:
    def work(where: Path, context: Context) -> None:
        _work(where, run, cell, device, windows, **cut)

    outcome = run_child(Scenario(lambda where: None, work, lambda where, outcome: None), folder)
    assert cut or outcome.ending == "done", f"{outcome.ending}: {outcome.text}"
    return outcome


def cadences(windows: int, scratch: str, cell: str = "lstm") -> dict[str, Any]:
    """Saving after every window and never, and validating after every window and never: byte-equal parameters.

    Returns {"cases", "violations"}.
    """
    folder = Path(scratch) / "cadences"
    folder.mkdir()
    be, violations = backend.get("cpu"), []
    with Corpus.open(write_corpus(folder)) as corpus:
        config = settings(corpus, cell)
        plans = {
            "seldom": (config, 1e6),
            "save every window": (config, 0.0),
            "validate every window": (replace(config, validate_every=1), 1e6),
            "validate never": (replace(config, validate_every=0), 1e6),
        }
        found = {}
        for name, (plan, minutes) in plans.items():
            trainer = new_run(be, corpus, plan, folder / name, refuse)
            trainer.run(Limits(windows=windows), checkpoint_minutes=minutes)
            arrays = [trainer.model.params.values, *trainer.optimizer.moments.values(), *trainer.state.named().values()]
            found[name] = [be.to_host(array).tobytes() for array in arrays]
        violations = [f"{name}: other bits" for name, arrays in found.items() if arrays != found["seldom"]]
    return {"cases": len(plans) - 1, "violations": violations}
