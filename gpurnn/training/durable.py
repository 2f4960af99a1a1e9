"""Files that are the old or the new one, whatever happens: the one place that writes, syncs, renames."""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from gpurnn.exceptions import GpurnnError

Buffer: TypeAlias = bytes | bytearray | memoryview

_ADVICE = {
    errno.ENOSPC: "free some space on that disk, or use another folder",
    errno.EDQUOT: "your quota is used up: delete something, or use another folder",
    errno.EFBIG: "the file would pass the size limit (see `ulimit -f`)",
    errno.EROFS: "the file system is read-only: use another folder",
    errno.EACCES: "check the permissions of the folder and of the file",
    errno.EPERM: "check the permissions of the folder and of the file",
    errno.EIO: "the device failed: check the disk and the system log",
    errno.ENOENT: "check the path",
    errno.EEXIST: "a file has that name: choose another",
    errno.ENOTDIR: "a part of the path is a file: choose another",
    errno.ELOOP: "replace the symbolic link by a file",
}
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.tmp")
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP)


@contextmanager
def reported_as(error: type[GpurnnError], doing: str) -> Iterator[None]:
    """Turn an OSError of the body into `error`, in one line: what was done, what went wrong, what to do.

    doing: such as "cannot write runs/a/config.json".
    """
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or str(exc)
        advice = _ADVICE.get(exc.errno or 0)
        raise error(f"{doing}: {reason}" + (f"; {advice}" if advice else "")) from exc


def write_durably(path: Path, chunks: Iterable[Buffer]) -> None:
    """Replace `path` by a file of these chunks, so that a reader finds the old file or the whole new one.

    The chunks go to a temporary file in the same folder, which is synced and renamed over `path`; then the
    folder is synced. On any failure before the rename the temporary file is removed and the old file is
    untouched; a failed sync is never tried again on the same file. Once this returns, the new file survives a
    loss of power. Where only the sync of the folder fails, the new file is in place, but a loss of power may
    bring the old one back.

    Raises OSError, whatever step failed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new_file(temporary, chunks)
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _write_new_file(path: Path, chunks: Iterable[Buffer]) -> None:
    """Create `path`, write the chunks, sync and close it. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        for chunk in chunks:
            write_fully(descriptor, chunk)
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)  # some file systems report a lack of space only here


def write_fully(descriptor: int, data: Buffer) -> None:
    """Write all of `data`, going on after short writes. Raises OSError."""
    rest = memoryview(data).cast("B")
    while rest:
        written = os.write(descriptor, rest)
        if written == 0:
            raise OSError(errno.EIO, "the system wrote nothing")
        rest = rest[written:]


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` survive a loss of power. Raises OSError.

    File systems that cannot sync a folder (they answer EINVAL or ENOTSUP) are taken as they are.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, all of which survive a loss of power; it may exist. Raises OSError."""
    path = path.absolute()
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def temporary_target(name: str) -> str | None:
    """The name of the file that a temporary file called `name` was to become; None for any other file."""
    match = _TEMPORARY.fullmatch(name)
    return match["name"] if match else None
