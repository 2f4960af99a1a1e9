"""Ways of saving that lose something: the harness must notice each of them."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from faults import cuts, fuzzcorpora, signals, training
from faults.cases import Context, Scenario
from faults.scenarios import HISTORY, SAVE
from gpurnn.exceptions import GpurnnError
from gpurnn.files import durable
from gpurnn.runs import directory
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.learner import Learner


def _spoilt(scenario: Scenario, spoil: Callable[[], None]) -> Scenario:
    def work(folder: Path, context: Context) -> None:
        spoil()  # in a child process, so that nobody else is spoilt
        scenario.work(folder, context)

    return replace(scenario, work=work)


def _write_in_place() -> None:
    def write(path: Path, chunks: Iterable[bytes]) -> None:
        path.write_bytes(b"".join(chunks))

    directory.write_durably = write  # type: ignore[assignment]


def _sync_no_files() -> None:
    fsync = os.fsync
    os.fsync = lambda descriptor: fsync(descriptor) if _is_folder(descriptor) else None  # type: ignore[assignment]


def _sync_no_folders() -> None:
    fsync = os.fsync
    os.fsync = lambda descriptor: None if _is_folder(descriptor) else fsync(descriptor)  # type: ignore[assignment]


def _is_folder(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").readlink().is_dir()


def _write_once() -> None:
    durable.write_fully = os.write  # type: ignore[assignment]


def _silent(folder: Path, context: Context) -> None:
    with suppress(GpurnnError):
        SAVE.work(folder, context)


def _raw(folder: Path, context: Context) -> None:
    SAVE.work(folder, context)
    (folder / "note").write_text("x")


def _quiet(folder: Path, context: Context) -> None:
    def say_nothing(line: str) -> None:
        pass

    context.warn = say_nothing  # type: ignore[method-assign]
    with suppress(GpurnnError):
        training.SHORT.work(folder, context)


def cut_without_state(scratch: str) -> dict[str, Any]:
    """Cuts of training that forgets the carried state when it is resumed."""
    _forget_the_state()
    return cuts.cut("lstm", 120, scratch, most=2)


def strike_without_state(scratch: str) -> dict[str, Any]:
    """A signal of each kind to such training."""
    _forget_the_state()
    return signals.strike(1, 1, scratch)


def _forget_the_state() -> None:
    restore = Learner.restore

    def forgetting(self: Learner, checkpoint: Checkpoint) -> None:
        restore(self, checkpoint)
        self.state.reset()

    Learner.restore = forgetting  # type: ignore[method-assign]


def fuzz_with_a_death(scratch: str) -> dict[str, Any]:
    """100 corpora, some of which end the process that opens them, in the child and in the import."""
    read, refuses = fuzzcorpora.read_all, fuzzcorpora._refuses
    opened = 0

    def dying(path: Path) -> str:
        nonlocal opened
        opened += 1
        if opened == 41:
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(path)

    def refused(path: Path, target: Path, case: int, violations: list[str]) -> None:
        path.write_bytes(b"no corpus")
        refuses(path, target, case, violations)

    fuzzcorpora.read_all, fuzzcorpora._refuses = dying, refused
    return fuzzcorpora.fuzz_corpora(100, 1, scratch)


IN_PLACE = _spoilt(SAVE, _write_in_place)
NO_FILE_SYNC = _spoilt(HISTORY, _sync_no_files)
NO_FOLDER_SYNC = _spoilt(HISTORY, _sync_no_folders)
ONE_WRITE = _spoilt(SAVE, _write_once)
SILENT = replace(SAVE, work=_silent)
RAW_ERRORS = replace(SAVE, work=_raw)
SILENT_TRAINING = replace(training.SHORT, work=_quiet)
