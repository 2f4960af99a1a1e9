"""The log of a run: one JSON object a line, which a crash can only cut short and a resume cuts back."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gpurnn.exceptions import RunError
from gpurnn.files.durable import sync_folder, write_durably, write_fully
from gpurnn.files.errors import reported_as
from gpurnn.files.output import find_output, open_regular
from gpurnn.runs.strictjson import Json, dump_object, parse_object

MAX_LINE_BYTES = 1 << 20

_logger = logging.getLogger("gpurnn")


class RunLog:
    """Appends to a log file; the caller holds the lock of its run directory.

    Opening creates the file, or cuts off a last line that a crash left unfinished. Raises RunError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsynced_loss = False
        self._descriptor = -1
        with reported_as(RunError, f"cannot open log {path}"):
            try:
                self._open()
                self._cut(_complete_size(path))
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        target = find_output(self.path)
        existed = target.exists()
        self._descriptor = open_regular(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW)
        if not existed:
            sync_folder(target.parent)

    def append(self, entry: Mapping[str, Json]) -> None:
        """Add one line, with one write unless the system takes only a part of it.

        entry: JSON without NaN, infinity and tuples; "window" says which window it belongs to.

        A line that could not be written whole is cut off again, now or before the next one.
        Raises RunError: a full disk or any other failure; the log goes on being usable.
        """
        try:
            line = dump_object(entry).encode("ascii") + b"\n"
        except ValueError as exc:
            raise RunError(f"log {self.path}: expected a plain JSON object: {exc}") from None
        if len(line) > MAX_LINE_BYTES:
            raise RunError(f"log {self.path}: a line of {len(line)} bytes is over the {MAX_LINE_BYTES} allowed")
        with reported_as(RunError, f"cannot write log {self.path}"):
            self._cut(self._size)
            try:
                write_fully(self._descriptor, line)
            except OSError:
                with suppress(OSError):
                    self._cut(self._size)
                raise
            self._size += len(line)

    def sync(self) -> None:
        """Make all lines survive a loss of power; call it before a checkpoint that counts on them.

        After one that failed, the next writes the whole log to a new file: a failed sync is not tried again.
        Raises RunError.
        """
        with reported_as(RunError, f"cannot sync log {self.path}"):
            if self._unsynced_loss:
                self._replace(_lines(self.path, self._size))
                return
            try:
                os.fsync(self._descriptor)
            except OSError:
                self._unsynced_loss = True
                raise

    def truncate_to(self, window: int) -> int:
        """Keep only the entries with "window" at most `window`, byte for byte.

        Returns how many lines could not be read and were dropped as well.
        Raises RunError; the file is the old log or the new one.
        """
        kept: list[bytes] = []
        unreadable = 0
        with reported_as(RunError, f"cannot cut log {self.path} back to window {window}"):
            for line in _lines(self.path, self._size):
                entry = parse_line(line)
                if entry is None:
                    unreadable += 1
                elif entry["window"] <= window:
                    kept.append(line)
            if sum(map(len, kept)) != self._size:
                self._replace(kept)
        return unreadable

    def close(self) -> None:
        """Close the file; calling it again does nothing. Raises RunError."""
        with reported_as(RunError, f"cannot close log {self.path}"):
            self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(RunError):  # the first error is the one to read
                self.close()

    def _replace(self, lines: Iterator[bytes] | list[bytes]) -> None:
        write_durably(self.path, lines)
        self._close()
        self._open()
        self._size = os.fstat(self._descriptor).st_size
        self._unsynced_loss = False

    def _cut(self, size: int) -> None:
        """Make the file `size` bytes long."""
        if os.fstat(self._descriptor).st_size != size:
            os.ftruncate(self._descriptor, size)
        self._size = size


def read_log(path: Path, on_warning: Callable[[str], None] = _logger.warning) -> Iterator[dict[str, Json]]:
    """The entries of a log, oldest first; lines that are none are left out, as `RunLog.truncate_to` drops them.

    on_warning: called with one line, after the last entry, where there were such lines. A loss of power leaves them,
                and a line at the end that was not finished, of which nothing is said.
    Raises RunError: a log that is missing or cannot be read.
    """
    damaged = 0
    with reported_as(RunError, f"cannot read log {path}"):
        for line in _lines(path, None):
            entry = parse_line(line)
            if entry is not None:
                yield entry
            elif line.endswith(b"\n"):
                damaged += 1
    if damaged:
        on_warning(f"{path}: damaged lines were left out: {damaged:,}")


def _lines(path: Path, size: int | None) -> Iterator[bytes]:
    """The lines of the first `size` bytes of a file, each at most MAX_LINE_BYTES long."""
    position = 0
    with open(open_regular(path, os.O_RDONLY), "rb") as file:
        while size is None or position < size:
            line = file.readline(MAX_LINE_BYTES if size is None else min(MAX_LINE_BYTES, size - position))
            if not line:
                return
            position += len(line)
            yield line


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The entry in a line, or None where it is no entry."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = parse_object(line.decode("ascii"))
    except ValueError:
        return None
    return entry if type(entry.get("window")) is int else None


def _complete_size(path: Path) -> int:
    """How many bytes of a file belong to lines that were finished."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - MAX_LINE_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
