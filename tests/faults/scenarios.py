"""What is done to a run directory while things fail."""

import time
from pathlib import Path

import numpy as np

from faults.cases import Context, Outcome, Scenario
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import RunLog, read_log
from gpurnn.training.signals import SignalWatch

CONFIG = {"hidden": 8}


def _step(run: RunDirectory, log: RunLog, window: int, size: int = 100) -> None:
    """What a trainer does at a checkpoint: the log first, so that it is never shorter than the checkpoint says."""
    log.append({"window": window, "loss": 1 / window})
    log.sync()
    run.save(window, {"x": np.full(size, window, np.float32)}, {"window": window}, best=window % 2 == 1)


def prepare_two(folder: Path) -> None:
    """A run with checkpoints after windows 1 (the best one) and 2."""
    run = RunDirectory.create(folder, CONFIG)
    with run.lock(), RunLog(run.log) as log:
        for window in (1, 2):
            _step(run, log, window)


def _work_save(folder: Path, context: Context) -> None:
    run = RunDirectory.open(folder, context.warn)
    with run.lock(), RunLog(run.log) as log:
        _step(run, log, 3)
        context.mark("3")


def _work_saves(folder: Path, context: Context) -> None:
    """Saves until something stops it."""
    run = RunDirectory.open(folder, context.warn)
    with run.lock(), RunLog(run.log) as log:
        window = window_of(run)
        run.rewind(window)
        log.truncate_to(window)
        while True:
            window += 1
            _step(run, log, window, size=1000 + 200 * (window % 100))
            context.mark(str(window))


def _work_until_stopped(folder: Path, context: Context) -> None:
    """Windows without a save until a stop signal, then a save, as a trainer does it."""
    run = RunDirectory.open(folder, context.warn)
    with SignalWatch() as watch, run.lock(), RunLog(run.log) as log:
        context.ready()
        window = window_of(run)
        run.rewind(window)
        log.truncate_to(window)
        while watch.stop_signal is None:
            time.sleep(0.001)
        _step(run, log, window + 1)
        context.mark(str(window + 1))
        context.mark(f"exit {watch.exit_code}")


def _work_resume(folder: Path, context: Context) -> None:
    """Goes back to window 1, as a resume from there does."""
    run = RunDirectory.open(folder, context.warn)
    with run.lock(), RunLog(run.log) as log:
        run.rewind(1)
        log.truncate_to(1)
        context.mark("1")


def _work_create(folder: Path, context: Context) -> None:
    RunDirectory.create(folder / "runs" / "a", CONFIG, context.warn)
    context.mark("created")


def window_of(run: RunDirectory, which: str = "last") -> int:
    """The window of a checkpoint whose tensor agrees with its header."""
    checkpoint = run.load(which)
    window = checkpoint.header["window"]
    assert isinstance(window, int)
    assert (checkpoint.tensors["x"] == window).all(), f"{checkpoint.path} mixes two checkpoints"
    return window


def check_readable(folder: Path, least: int, most: int) -> int:
    """The window of the last checkpoint; raises AssertionError where anything of the run is lost or damaged."""
    warnings: list[str] = []
    run = RunDirectory.open(folder, warnings.append)
    assert run.read_config() == CONFIG
    window = window_of(run)
    assert least <= window <= most, f"expected a checkpoint of window {least} to {most}, found {window}"
    best = window_of(run, "best")
    assert best in {window if window % 2 else window - 1, window + 1}, f"best is of window {best}, last of {window}"
    logged = [entry["window"] for entry in read_log(run.log)]
    assert logged == list(range(1, len(logged) + 1)), f"the log has windows {logged}"
    assert len(logged) >= window, f"the log ends before window {window}"
    assert not warnings, f"a damaged checkpoint was in place: {warnings}"
    return window


def _go_on(folder: Path, window: int) -> None:
    """Resume at `window` without faults."""
    run = RunDirectory.open(folder)
    with run.lock(), RunLog(run.log) as log:
        run.rewind(window)
        log.truncate_to(window)
        _step(run, log, window + 1)
    check_readable(folder, window + 1, window + 1)
    left = list(folder.rglob("*.tmp"))
    assert not left, f"left behind: {left}"


def _check_save(folder: Path, outcome: Outcome) -> None:
    _go_on(folder, check_readable(folder, 3 if outcome.marks else 2, 3))


def _check_saves(folder: Path, outcome: Outcome) -> None:
    completed = int(outcome.marks[-1]) if outcome.marks else 0
    check_readable(folder, completed, completed + 1 if completed else 1 << 62)


def _work_history(folder: Path, context: Context) -> None:
    """A short run from its beginning."""
    _work_create(folder, context)
    run = RunDirectory.open(folder / "runs" / "a", context.warn)
    with run.lock(), RunLog(run.log) as log:
        for window in range(1, 6):
            _step(run, log, window, size=600)
            context.mark(str(window))


def _check_history(folder: Path, outcome: Outcome) -> None:
    run = folder / "runs" / "a"
    completed = int(outcome.marks[-1]) if len(outcome.marks) > 1 else 0
    if completed or (run.exists() and list(run.rglob("*.safetensors"))):
        _go_on(run, check_readable(run, completed or 1, completed + 1))
    else:
        _check_create(folder, outcome)


def _check_resume(folder: Path, outcome: Outcome) -> None:
    _go_on(folder, check_readable(folder, 1, 1 if outcome.marks else 2))


def _check_create(folder: Path, outcome: Outcome) -> None:
    run = folder / "runs" / "a"
    if not (run / "config.json").exists():
        assert not outcome.marks, "the new run is lost"
        RunDirectory.create(run, CONFIG)
    assert RunDirectory.open(run).read_config() == CONFIG
    with RunDirectory.open(run).lock():
        pass
    left = list(folder.rglob("*.tmp"))
    assert not left, f"left behind: {left}"


SAVE = Scenario(prepare_two, _work_save, _check_save)
SAVES = Scenario(prepare_two, _work_saves, _check_saves)
STOPPED = Scenario(prepare_two, _work_until_stopped, _check_saves)
RESUME = Scenario(prepare_two, _work_resume, _check_resume)
HISTORY = Scenario(lambda folder: None, _work_history, _check_history)
CREATE = Scenario(lambda folder: None, _work_create, _check_create)
