"""Run directories: config.json, log.jsonl, checkpoints/window-N.safetensors, best.safetensors, and a lock."""

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from gpurnn.exceptions import CheckpointError, RunError, shell_word
from gpurnn.files.durable import make_folder, sync_folder, write_durably
from gpurnn.files.errors import reported_as
from gpurnn.files.output import find_folder, find_output, open_regular
from gpurnn.files.temporary import sweep_beside, temporary_target
from gpurnn.runs.checkpoint import Checkpoint, NewerFormatError, encode_checkpoint, read_checkpoint
from gpurnn.runs.lock import writer_lock
from gpurnn.runs.strictjson import Json, dump_object, parse_object

GENERATIONS = 2
MAX_CONFIG_BYTES = 1 << 20

_GENERATION = re.compile(r"window-([0-9]{10,18})\.safetensors", re.ASCII)
_OURS = re.compile(r"config\.json|log\.jsonl|best\.safetensors|" + _GENERATION.pattern, re.ASCII)
_logger = logging.getLogger("gpurnn")


class RunDirectory:
    """One training run on disk: one process writes, any number may read.

    To save: append to the log, sync it, save; so the log is never shorter than a checkpoint says.
    To resume: lock, load, rewind to the window of what was loaded, and then cut the log back to it.

    on_warning: called with one line where something went wrong that does not stop the work: a damaged
                checkpoint that was passed over, an old file that could not be removed.
    """

    def __init__(self, path: Path, on_warning: Callable[[str], None] = _logger.warning) -> None:
        self.path = Path(path)
        self.warn = on_warning
        self._locked = False

    @classmethod
    def create(
        cls, path: Path, config: Mapping[str, Json], on_warning: Callable[[str], None] = _logger.warning
    ) -> Self:
        """Make a new run directory, with its parents; an empty folder may be there already, or a link to one.

        Raises UsageError, RunError: no folder, or one that holds anything or cannot be written.
        """
        run = cls(path, on_warning)
        with reported_as(RunError, f"cannot create run directory {run.path}"):
            make_folder(find_folder(run.path))
            run._refuse_used()
            with run.lock():
                run._refuse_used()
                run.checkpoints.mkdir(exist_ok=True)
                run.write_config(config)  # and syncs the folder
        return run

    @classmethod
    def open(cls, path: Path, on_warning: Callable[[str], None] = _logger.warning) -> Self:
        """A run directory that `create` made. Raises RunError where it is none."""
        run = cls(path, on_warning)
        with reported_as(RunError, f"cannot open run directory {run.path}"):
            if not run.path.is_dir():
                raise RunError(f"no run directory at {run.path}: check the path")
            if not run._config_path.exists():
                raise RunError(f"{run.path} is not a run directory: it has no config.json")
        return run

    @property
    def checkpoints(self) -> Path:
        """The folder of the generations."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The best checkpoint, which need not exist."""
        return self.path / "best.safetensors"

    @property
    def log(self) -> Path:
        """The log, which need not exist."""
        return self.path / "log.jsonl"

    @property
    def _config_path(self) -> Path:
        return self.path / "config.json"

    def _refuse_used(self) -> None:
        """Raises RunError unless all that is there is what a `create` that was cut short leaves."""
        entries = {entry.name: entry for entry in self.path.iterdir()}  # one look: another process may be creating it
        if "config.json" in entries:
            raise RunError(f"{self.path} already holds a run: resume it, or choose another folder")
        for name, entry in entries.items():
            ours = name == "lock" or temporary_target(name) == "config.json"
            if not ours and not (name == "checkpoints" and entry.is_dir() and not any(entry.iterdir())):
                raise RunError(f"{self.path} is not empty (it holds {name!a}): choose another folder")

    def write_config(self, config: Mapping[str, Json]) -> None:
        """Replace config.json. Raises RunError."""
        self._require_lock()
        try:
            text = dump_object(config)
        except ValueError as exc:
            raise RunError(f"{self._config_path}: expected plain JSON: {exc}") from None
        if len(text) >= MAX_CONFIG_BYTES:
            raise RunError(f"{self._config_path}: expected at most {MAX_CONFIG_BYTES} bytes, found {len(text)}")
        with reported_as(RunError, f"cannot write {self._config_path}"):
            write_durably(self._config_path, [text.encode("ascii"), b"\n"])

    def read_config(self) -> dict[str, Json]:
        """What config.json holds. Raises RunError."""
        path = self._config_path
        with reported_as(RunError, f"cannot read {path}"), open(open_regular(path, os.O_RDONLY), "rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        try:
            if len(data) > MAX_CONFIG_BYTES:
                raise ValueError(f"longer than {MAX_CONFIG_BYTES} bytes")
            return parse_object(data.decode("ascii"))
        except ValueError as exc:
            raise RunError(f"{self._config_path} is damaged: {ascii(str(exc))[1:-1]}") from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to write, and sweep temporary files that a killed process left.

        The lock dies with its process.
        Raises RunError: another process holds it, or the folder cannot be written.
        """
        with writer_lock(self.path):
            self._locked = True
            try:
                self._sweep()
                yield
            finally:
                self._locked = False

    def _require_lock(self) -> None:
        if not self._locked:
            raise RunError(f"{self.path}: writing needs its lock; use `with run.lock():`")

    def _sweep(self) -> None:
        """Remove our own temporary files; the lock says that no process is writing them.

        Raises RunError, also where something is in the place of a file that is to be written.
        """
        for path in (self._config_path, self.log, self.best):
            with reported_as(RunError, f"cannot write {path}"):
                sweep_beside(find_output(path))  # of a link, those beside its target
        for folder in (self.path, self.checkpoints):
            with reported_as(RunError, f"cannot list {folder}"):
                names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
            for name in names:
                target = temporary_target(name)
                if target is not None and _OURS.fullmatch(target):
                    self._remove(folder / name)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            self.warn(f"cannot remove {path}: {exc.strerror}; remove it by hand")

    def save(
        self,
        window: int,
        tensors: Mapping[str, np.ndarray],
        header: Mapping[str, Json],
        *,
        best: bool = False,
        keep: Collection[int] = (),
    ) -> Path:
        """Write the checkpoint after `window` windows, and with `best` best.safetensors too; needs the lock.

        tensors, header: see write_checkpoint.
        best.safetensors is written first, so that no generation speaks of a best one that is not there. Once the
        new generation is safe, all but the two newest up to `window`, and those of the windows in `keep`, are removed.

        Returns the path of the generation.
        Raises CheckpointError: nothing that was there before has been removed. RunError: see rewind.
        """
        self._require_lock()
        path = self._generation(window)
        self._make_checkpoints()
        chunks = encode_checkpoint(tensors, header)
        for target in (self.best, path) if best else (path,):
            with reported_as(CheckpointError, f"cannot write checkpoint {target}"):
                write_durably(target, chunks)
        self.rewind(window)
        for old in self.generations()[GENERATIONS:]:
            if _window(old) not in keep:
                self._remove(old)
        return path

    def _make_checkpoints(self) -> None:
        """Make the folder of the generations where a copy of the run came without it. Raises CheckpointError."""
        if not self.checkpoints.is_dir():
            with reported_as(CheckpointError, f"cannot make {self.checkpoints}"):
                self.checkpoints.mkdir()
                sync_folder(self.path)

    @property
    def begun(self) -> bool:
        """Whether there is any checkpoint. Raises RunError."""
        return bool(self._candidates("last"))

    def load_window(self, window: int) -> Checkpoint:
        """Read and verify the generation of one window. Raises CheckpointError."""
        return read_checkpoint(self._generation(window))

    def _generation(self, window: int) -> Path:
        return self.checkpoints / f"window-{window:010d}.safetensors"

    def rewind(self, window: int) -> None:
        """Remove the generations after `window`, for a run that is resumed there; needs the lock.

        Call it before the log is cut back, so that a crash in between leaves a log as long as the checkpoints.
        Raises RunError where a generation cannot be removed.
        """
        self._require_lock()
        later = [path for path in self.generations() if _window(path) > window]
        if later:
            for path in later:
                with reported_as(RunError, f"cannot remove {path}, a checkpoint after window {window}"):
                    path.unlink()
            with reported_as(RunError, f"cannot sync {self.checkpoints}"):
                sync_folder(self.checkpoints)

    def generations(self) -> list[Path]:
        """The checkpoints of the run but for the best one, newest first. Raises RunError."""
        with reported_as(RunError, f"cannot list {self.checkpoints}"):
            there = list(self.checkpoints.iterdir()) if os.path.lexists(self.checkpoints) else []
        paths = [path for path in there if _GENERATION.fullmatch(path.name)]
        return sorted(paths, key=_window, reverse=True)

    def load(self, which: str) -> Checkpoint:
        """Read and verify a checkpoint.

        which: "last": the newest generation; where it is damaged, the one before it, then the best one.
               "best": the best one; where there is none or it is damaged, as "last".

        A damaged checkpoint that is passed over is reported through on_warning.
        Raises CheckpointError: none is left, or (NewerFormatError) the first choice is from a newer version.
        """
        if which not in ("best", "last"):
            raise ValueError(f"which: expected 'best' or 'last', found {which!r}")
        candidates = self._candidates(which)
        while True:
            refused = []
            for path in candidates:
                try:
                    checkpoint = read_checkpoint(path)
                except NewerFormatError:
                    raise
                except CheckpointError as exc:
                    refused.append(str(exc))
                else:
                    for reason in refused:
                        self.warn(f"{reason}; using {path} instead")
                    return checkpoint
            before, candidates = candidates, self._candidates(which)
            if candidates == before:  # otherwise a writer went on between listing and reading
                break
        if refused:
            raise CheckpointError(f"no readable checkpoint in {self.path}: {refused[0]}")
        raise CheckpointError(
            f"no checkpoint in {self.path} yet: train it first with gpurnn train `resume={shell_word(self.path)}`"
        )

    def _candidates(self, which: str) -> list[Path]:
        best = [self.best] if self.best.exists() else []
        return best + self.generations() if which == "best" else self.generations() + best


def _window(path: Path) -> int:
    match = _GENERATION.fullmatch(path.name)
    assert match is not None
    return int(match[1])
