"""Temporary files beside a target, locked for as long as their process lives, so that others know what to sweep."""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAME = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}(?:[0-9a-f]{8})?\.tmp")
"""The longer ones are those of earlier versions."""
_LONGEST = 200  # bytes of a target's name that leave room for the rest


def create_beside(target: Path) -> tuple[Path, int]:
    """A new empty file in the target's folder, and its descriptor.

    Nobody sweeps the file until this descriptor and every copy of it are closed. Raises OSError where it cannot be
    made.
    """
    for _ in range(100):
        temporary = target.with_name(f".{_stem(target.name)}.{secrets.token_hex(4)}.tmp")
        try:
            descriptor = os.open(temporary, _OPEN | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:  # else it was swept before it was locked
            return temporary, descriptor
        os.close(descriptor)
    raise OSError(errno.EAGAIN, "cannot find a name for a temporary file beside it; try again", str(target))


def sweep_beside(target: Path) -> None:
    """Remove the temporary files beside `target` whose process was killed; what cannot be removed stays."""
    with suppress(OSError):
        for path in target.parent.iterdir():
            if temporary_target(path.name) == _stem(target.name):
                _remove_if_left(path)


def temporary_target(name: str) -> str | None:
    """The name of the file that a temporary file called `name` was to become; None for any other file."""
    match = _NAME.fullmatch(name)
    return match["target"] if match else None


def _stem(name: str) -> str:
    """The target's name, or what stands for a long one."""
    data = os.fsencode(name)
    return name if len(data) <= _LONGEST else hashlib.sha256(data).hexdigest()


def _remove_if_left(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, _OPEN)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file; False where a process that is about to remove it has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # this file system has no locks, so no process can lock it to remove it
        return True
    return True
