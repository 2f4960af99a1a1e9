"""What an error of the system says to people: what was done, to which file, what went wrong, what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpurnn.exceptions import GpurnnError

_ADVICE = {
    errno.ENOSPC: "free some space {there}, or use another folder",
    errno.EDQUOT: "your quota {there} is used up: delete something, or use another folder",
    errno.EFBIG: "the file would pass the size limit (see `ulimit -f`)",
    errno.EROFS: "the file system is read-only: use another folder",
    errno.EACCES: "check the permissions of the folder and of the file",
    errno.EPERM: "check the permissions of the folder and of the file",
    errno.EIO: "the device failed: check the disk and the system log",
    errno.ENOENT: "check the path",
    errno.EEXIST: "a file has that name: choose another",
    errno.EISDIR: "move that folder away",
    errno.ENOTDIR: "a part of the path is a file: choose another",
    errno.EBUSY: "something is mounted there: choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "replace the symbolic link by a file",
}


def explain(error: OSError) -> str:
    """What went wrong and, where it is known, what to do; without the path."""
    reason = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0)
    if advice is None:
        return reason
    return f"{reason}; " + (advice.format(there=_file_system(error.filename)) if "{" in advice else advice)


def _file_system(path: object) -> str:
    """Which file system a path is on, in words."""
    if not isinstance(path, str | bytes | os.PathLike):
        return "on that disk"
    place = Path(os.path.realpath(os.fsdecode(path)))
    while not place.is_mount():
        place = place.parent
    return f"on the file system at {place}"


@contextmanager
def reported_as(error: type[GpurnnError], doing: str) -> Iterator[None]:
    """Turn an OSError of the body into `error`, in one line: what was done, what went wrong, what to do.

    doing: such as "cannot write runs/a/config.json".
    """
    try:
        yield
    except OSError as exc:
        raise error(f"{doing}: {explain(exc)}") from exc


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let an OSError of the body name `path`, whatever descriptor or temporary file it met."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror or str(exc), str(path)) from exc


@contextmanager
def named_if_nameless(path: Path) -> Iterator[None]:
    """Let an OSError of the body that names no file name `path`."""
    try:
        yield
    except OSError as exc:
        if exc.filename is None:
            raise OSError(exc.errno, exc.strerror or str(exc), str(path)) from None
        raise
