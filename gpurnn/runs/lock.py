"""The lock that lets one process at a time write a folder, and dies with that process."""

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpurnn.exceptions import RunError
from gpurnn.files.errors import reported_as
from gpurnn.files.output import open_regular

_HOLDER = re.compile(r"([0-9]{1,10}) on ([A-Za-z0-9_.\-]{1,255})\n", re.ASCII)
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, a file `lock` in it that says who does.

    The file stays: removing it would let two processes hold two locks of one name.
    Raises RunError: another process holds it, or the file cannot be opened or written.
    """
    with reported_as(RunError, f"cannot open {folder / 'lock'}"):
        descriptor = open_regular(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        with reported_as(RunError, f"cannot lock {folder}"):
            _take(descriptor, folder)
        yield
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    with reported_as(RunError, f"cannot unlock {folder}"):
        os.close(descriptor)


def writer_of(folder: Path) -> str | None:
    """Which process writes a folder, in words, as far as that can be told without its lock; None: none does.

    It is the last one that did, for as long as it lives; one on another machine is taken to be still there. Raises
    RunError where the file `lock` cannot be read.
    """
    with reported_as(RunError, f"cannot read {folder / 'lock'}"):
        try:
            descriptor = open_regular(folder / "lock", os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return _named(descriptor)
        finally:
            os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    """Lock the open file and write into it who holds it. Raises OSError, RunError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno not in _BUSY:
            raise
        raise RunError(f"{folder} is being written by {_holder(descriptor)}: wait for its end, or stop it") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} on {os.uname().nodename}\n".encode("ascii", "replace"), 0)


def _holder(descriptor: int) -> str:
    """Who holds the lock, by the file's text; waits a moment for a holder that has not yet written it."""
    for _ in range(20):
        named = _named(descriptor)
        if named is not None:
            return named
        time.sleep(0.01)
    return "another process"


def _named(descriptor: int) -> str | None:
    """Whom the file's text names, unless that process is gone."""
    match = _HOLDER.fullmatch(os.pread(descriptor, 300, 0).decode("ascii", "replace"))
    if match and (match[2] != os.uname().nodename or _alive(int(match[1]))):
        return f"process {match[1]} on {match[2]}"
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
