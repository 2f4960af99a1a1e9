"""A log that another process writes: what is new in it each time one looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from gpurnn.exceptions import RunError
from gpurnn.files.errors import reported_as
from gpurnn.files.output import open_regular
from gpurnn.runs.log import MAX_LINE_BYTES, parse_line

Entry = dict[str, Any]


class News(NamedTuple):
    """entries: the new ones, oldest first.

    gone_from: the run went back: of what was given before, this window and later ones are no longer in the log; None:
    all are.
    """

    entries: list[Entry]
    gone_from: int | None = None


class FollowedLog:
    """Reads a log from its beginning on, and then what is added. Of what it gave it keeps two numbers a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end, self._last = 0, b""  # of the lines that were read
        self._given: list[tuple[int, int]] = []  # of each entry its window, and a digest of its line

    def look(self) -> News:
        """What is new. A log that is not there has nothing; a line that is not finished is left for later.

        Raises RunError where it cannot be read.
        """
        with reported_as(RunError, f"cannot read log {self._path}"):
            try:
                descriptor = open_regular(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return News([])
            with open(descriptor, "rb") as file:
                file.seek(self._end - len(self._last))
                if file.read(len(self._last)) == self._last:
                    return News(list(self._rest(file)))
                return self._again(file)

    def _again(self, file: BinaryIO) -> News:
        """The log was cut back, which makes another file of it: read it all, and leave out what was given before."""
        before = self._given
        self._end, self._last, self._given = file.seek(0), b"", []
        entries = list(self._rest(file))
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, self._given, strict=False)))
        return News(entries[same:], before[same][0] if same < len(before) else None)

    def _rest(self, file: BinaryIO) -> Iterator[Entry]:
        """The entries from where the file stands on."""
        while line := file.readline(MAX_LINE_BYTES):
            if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                return
            self._end, self._last = self._end + len(line), line
            entry = parse_line(line)
            if entry is not None:
                self._given.append((entry["window"], crc32(line)))
                yield entry
