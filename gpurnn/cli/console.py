"""What the commands write: messages for people, and results. All output of the command line goes through here.

A message, or a report on work that is done, is dropped where it cannot be written, and the work goes on. A result is
what a command is for: an error where it cannot be written, except that the reader of a pipe has closed it, which ends
the command without an error. A standard stream that was closed when the process began is None in `sys` and stays so.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import shutil
import sys
import unicodedata
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self, TextIO

from gpurnn.exceptions import GpurnnError

_CLEAR_LINE = "\r\x1b[2K"
_PATIENCE = 1.0  # seconds that a message waits for the reader of a full pipe
_SETTING = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")  # as messages of the library have it
_OWN_CHOICE = ("replace", "backslashreplace", "xmlcharrefreplace", "namereplace", "ignore")


class OutputError(GpurnnError):
    """A result that cannot be written."""


class ReaderGoneError(Exception):
    """The reader of a result has closed its pipe: the command ends, without a message."""


def hold_standard_descriptors() -> None:
    """Open the null device on descriptors 0, 1 and 2 where they are closed, so that no file of ours gets one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
            os.set_inheritable(number, True)


def settle() -> None:
    """Drop what is left in Python's buffers and cannot be written: writing it at exit would fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def standard_input() -> IO[bytes] | None:
    """The bytes of standard input; None where it is closed."""
    if sys.stdin is None:
        return None
    try:
        return io.BufferedReader(_StandardInput(sys.stdin.fileno()))
    except io.UnsupportedOperation:  # it is in memory
        return sys.stdin.buffer


def message(text: str, *, patience: float = _PATIENCE) -> None:
    """Lines for a person, on standard error; dropped where they cannot be written within `patience` seconds."""
    _write_message(_visible(text, keep="\n") + "\n", patience)


def warn(text: str) -> None:
    """One line on what went wrong; on a terminal it takes the place of a line that renews itself.

    Where the library names settings, in backquotes, it shows their options (see `gpurnn.exceptions`).
    """
    _write_message(f"{_CLEAR_LINE if renews_lines() else ''}gpurnn: {_visible(with_options(text))}\n", _PATIENCE)


def renews_lines() -> bool:
    """Whether standard error is a terminal on which a line can take the place of the one before it."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def renew(text: str) -> None:
    """Put this in place of the line that the terminal's cursor is in, cut to fit; see `renews_lines`."""
    width = max(20, shutil.get_terminal_size().columns - 1)
    _write_message(_CLEAR_LINE + _visible(text)[:width], 0)


def report(text: str) -> None:
    """Lines about work that is done, on standard output; dropped where they cannot be written."""
    with suppress(OutputError, ReaderGoneError):
        show(text)


def show(text: str) -> None:
    """A result in lines, on standard output. Raises OutputError, ReaderGoneError."""
    with Output() as out:
        out.write(text + "\n")


class Output:
    """Standard output for a result, written at once: bytes as they are, text in the encoding of the stream.

    Characters that the encoding lacks are replaced as the stream's error handler says, by "?" where that is strict; at
    the end of the `with` block a message says how many. On a terminal what comes after the block begins a new line.
    Raises OutputError where standard output is closed or cannot be written, ReaderGoneError where its reader has left.

    descriptor: of standard output, to be waited for; None where that is in memory.
    """

    def __init__(self) -> None:
        if sys.stdout is None:
            raise OutputError("standard output is closed: the result could not be written")
        try:
            self.descriptor: int | None = sys.stdout.fileno()
        except io.UnsupportedOperation:
            self.descriptor = None
        self._encoding = sys.stdout.encoding or "utf-8"
        self._encoder = codecs.getincrementalencoder(self._encoding)()
        self._errors = sys.stdout.errors if sys.stdout.errors in _OWN_CHOICE else "replace"
        self._replaced = 0
        self._in_line = False

    def write(self, piece: str | bytes) -> None:
        """A piece of the result; waits for its reader as long as it takes."""
        data = self._encode(piece) if isinstance(piece, str) else piece
        self._in_line = not data.endswith(b"\n") if data else self._in_line
        try:
            _put(sys.stdout, data, None)
        except (BrokenPipeError, ConnectionResetError):
            raise ReaderGoneError from None
        except OSError as error:
            raise OutputError(f"standard output: the result could not be written: {error.strerror or error}") from None

    def end_line(self) -> None:
        """Begin a new line unless one has just begun."""
        if self._in_line:
            self.write("\n")

    def _encode(self, text: str) -> bytes:
        if not self._holds(text):
            text = _bytes_visible(text)
            others = {ord(c): c.encode(self._encoding, self._errors) for c in set(text) if not self._holds(c)}
            self._replaced += sum(ord(c) in others for c in text)
            text = text.translate({c: other.decode(self._encoding) for c, other in others.items()})
        return self._encoder.encode(text)

    def _holds(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and (rest := self._encoder.encode("", True)):
            self.write(rest)
        if sys.stdout.isatty():
            self.end_line()
        if self._replaced:
            several = "s were" if self._replaced > 1 else " was"
            warn(
                f"{self._replaced:,} character{several} replaced because standard output is {self._encoding}; "
                "set PYTHONIOENCODING=utf-8"
            )


class _StandardInput(io.RawIOBase):
    """Waits for bytes even where another program has made the pipe or terminal non-blocking."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                return os.readv(self._number, [buffer])
            except BlockingIOError:
                select.select([self._number], [], [])


def _write_message(text: str, patience: float) -> None:
    """Write to standard error, or not at all where that fails or takes longer than `patience` seconds."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        _put(sys.stderr, text.encode(sys.stderr.encoding or "utf-8", "backslashreplace"), patience)


def _put(stream: TextIO, data: bytes, patience: float | None) -> None:
    """Write all of it, past Python's buffers, which would keep what failed. Raises OSError.

    patience: seconds to wait until some can be written, None: as long as it takes; TimeoutError after it.
    """
    stream.flush()  # what others wrote comes first
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:  # it is in memory
        stream.buffer.write(data)
        stream.buffer.flush()
        return
    left = memoryview(data)
    while left:
        if patience is not None and not select.select([], [number], [], patience)[1]:
            raise TimeoutError
        try:
            left = left[os.write(number, left[: select.PIPE_BUF]) :]  # what is ready takes so much without blocking
        except BlockingIOError:
            select.select([], [number], [], patience)


def with_options(text: str) -> str:
    """The text with --lr-floor where it has `lr_floor`, and --restart 0 where it has `restart=0`."""

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        return f"--{name.replace('_', '-')}" + ("" if value is None else f" {value}")

    return _SETTING.sub(option, text)


def _visible(text: str, keep: str = "") -> str:
    """A text that changes nothing in a terminal: control characters, and bytes of names that are no text, as \\xNN."""
    text = _bytes_visible(text)
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" and c not in keep else c for c in text)


def _bytes_visible(text: str) -> str:
    """A text in which the bytes of file names and arguments that are not in the locale's encoding stand as \\xNN."""
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
