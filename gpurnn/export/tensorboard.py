"""The scalars of a run's log as an event file for TensorBoard, once or for as long as the run is written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gpurnn.exceptions import RunError, UsageError
from gpurnn.export.events import restart_record, scalars_record, version_record
from gpurnn.files.durable import make_folder, write_durably, write_fully
from gpurnn.files.errors import reported_as
from gpurnn.files.output import find_folder, open_regular
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.followed import Entry, FollowedLog, News
from gpurnn.runs.lock import writer_of

NAME = "events.out.tfevents.0.gpurnn"
"""Of the file: one in a folder, since TensorBoard takes all that a folder has for one run."""
EVERY = 1.0
"""Seconds between two looks at a log that is followed."""
_NO_SCALARS = ("window", "seconds")  # they become the step and the time


class TensorBoard:
    """The event file of a run in a folder, which is made where it is not there.

    Each line of the log becomes an event: its step is the window, its tags are the keys of the numbers in it, and its
    time is that of config.json plus the seconds of training.

    path: of the file. windows: of the last line that is in it. Raises UsageError, RunError.
    """

    def __init__(self, run: Path, folder: Path, *, force: bool = False) -> None:
        """force: whether what an export has left there may be replaced."""
        self._run = RunDirectory.open(run)
        self._log = FollowedLog(self._run.log)
        with reported_as(RunError, f"cannot read {run}"):
            self._began = (run / "config.json").stat().st_mtime
        if folder.resolve().is_relative_to(run.resolve()):
            raise UsageError(f"{folder}: expected a folder outside of the run {run}; give another name")
        self.path = folder / NAME
        self.windows = 0
        self._wall = self._began
        self._folder, self._force = folder, force

    def write(self) -> None:
        """The file, of all that the log has by now. Raises RunError: it is there and is not to be replaced."""
        records = [version_record(self._began), *self._records(self._log.look())]
        with reported_as(RunError, f"cannot write {self.path}"):
            make_folder(find_folder(self._folder))
            write_durably(self.path, [b"".join(records)], replace=self._force)

    def follow(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """After `write`: add what comes to the log until no process writes the run any more. Raises RunError."""
        with reported_as(RunError, f"cannot write {self.path}"):
            descriptor = open_regular(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            while True:
                written = writer_of(self._run.path) is not None  # looked at first: what it wrote last is read after it
                records = b"".join(self._records(self._log.look()))
                with reported_as(RunError, f"cannot write {self.path}"):
                    write_fully(descriptor, records)
                if not written:
                    return
                sleep(EVERY)
        finally:
            os.close(descriptor)

    def _records(self, news: News) -> Iterator[bytes]:
        if news.gone_from is not None:
            yield restart_record(max(0, news.gone_from), self._wall)
        for entry in news.entries:
            window, seconds = entry["window"], entry.get("seconds")
            if isinstance(seconds, int | float):
                self._wall = self._began + seconds
            self.windows = window
            scalars = _scalars(entry)
            if scalars and window >= 0:
                yield scalars_record(window, self._wall, scalars)


def _scalars(entry: Entry) -> dict[str, float]:
    """The numbers of a line, by their keys."""
    return {key: float(value) for key, value in entry.items() if type(value) in (int, float) and key not in _NO_SCALARS}
