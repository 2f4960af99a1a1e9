"""What `gpurnn predict` reads as it comes and writes when it is there, until a signal says to stop."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gpurnn.cli.console import Output, ReaderGoneError, standard_input
from gpurnn.data.text.formats import HEAD
from gpurnn.data.text.inputs import Check, Source, read_blocks
from gpurnn.exceptions import DataError
from gpurnn.signals import Notice

_BLOCK = 1 << 16
_LONGEST = 1 << 24  # bytes of a line that is waited for
_PATIENCE = 1.0  # seconds that a reader has for the last row after a signal to stop


def source_of(file: str) -> Source:
    """What a command was given: a path, or - for standard input."""
    return Source(None if file == "-" else Path(file), named=True)


def write_all(lines: Iterator[str], notice: Notice) -> None:
    """Each piece of the result when it is there. After a signal, those of the rows that were read by then.

    Raises OutputError, and ReaderGoneError where that is not what a signal has led to.
    """
    try:
        with Output() as out:
            _write(out, lines, notice)
    except ReaderGoneError:
        if notice.came is None:
            raise


def _write(out: Output, lines: Iterator[str], notice: Notice) -> None:
    try:
        for line in lines:
            if out.descriptor is not None and not notice.writable(out.descriptor, _PATIENCE):
                return
            out.write(line)
    except DataError:
        if notice.came is None:  # otherwise it is the row that the signal has cut
            raise


def whole_lines(source: Source, notice: Notice, check: Check | None = None) -> Iterator[bytes]:
    """Whole lines, those of a pipe as they come; none are taken after a signal.

    Nothing, b"", comes wherever all that is there was taken and more has to be waited for. check: see `read_blocks`.
    """
    stdin = standard_input() if source.path is None else None
    descriptor = None if stdin is None else _descriptor(stdin)
    if descriptor is None:
        pieces = _pieces(read_blocks(source, stdin, lambda read: None, check))
    else:
        pieces = _as_they_come(descriptor, notice, check)
    held = b""
    for piece in pieces:
        held += piece
        edge = held.rfind(b"\n") + 1 or held.rfind(b"\r", 0, -1) + 1 or len(held) // _LONGEST * len(held)
        if not piece:
            yield b""
        elif edge:
            yield held[:edge]
            held = held[edge:]
        if notice.came is not None:
            return
    if held and notice.came is None:
        yield held


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks cut into smaller ones, so that a signal need not wait for long."""
    for block in blocks:
        for start in range(0, len(block), _BLOCK):
            yield block[start : start + _BLOCK]


def _as_they_come(descriptor: int, notice: Notice, check: Check | None) -> Iterator[bytes]:
    while True:
        if not select.select([descriptor], (), (), 0)[0]:
            yield b""
        if not notice.readable(descriptor):
            return
        try:
            piece = os.read(descriptor, _BLOCK)
        except BlockingIOError:  # another program has taken it
            continue
        if not piece:
            return
        if check is not None:
            check(piece[:HEAD], False)
            check = None
        yield piece


def _descriptor(file: IO[bytes]) -> int | None:
    """None where a file is in memory."""
    try:
        return file.fileno()
    except (OSError, ValueError):
        return None
