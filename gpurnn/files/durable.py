"""Files that are the old or the new one, whatever happens: the one place that writes, syncs, renames."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

from gpurnn.files.errors import named
from gpurnn.files.output import find_output
from gpurnn.files.temporary import create_beside

Buffer: TypeAlias = bytes | bytearray | memoryview

_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP)


class NewFile:
    """A file under a temporary name, which `publish` puts where `name` leads (see `gpurnn.files.output`).

    Use it as a context manager: unless `publish` was reached, leaving it removes the file.

    replace: whether a file that is there may be replaced. temporary: where the new one is until then.
    descriptor: to write it with; the writer closes it before `publish`.
    Raises UsageError; OSError that names `name`.
    """

    def __init__(self, name: Path, *, replace: bool = True) -> None:
        self._name, self._replace = name, replace
        with named(name):
            self._target = find_output(name, replace=replace)
            self.temporary, self._lock = create_beside(self._target)
            self.descriptor = os.dup(self._lock)  # the lock stays when this is closed: no process removes the file

    def publish(self) -> None:
        """Give the file, which is written, synced and closed, its name, and sync the folder. Raises OSError.

        What the name leads to is looked at again: it may have changed while the file was written.
        """
        with named(self._name):
            if find_output(self._name, replace=self._replace) != self._target:
                raise OSError(errno.EINVAL, "a link in its path was changed while it was written; try again")
            self.temporary.rename(self._target)
            self._close()
            sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove the file unless it was published."""
        if self._lock >= 0:
            with suppress(OSError):
                self.temporary.unlink()
            with suppress(OSError):
                self._close()

    def _close(self) -> None:
        lock, self._lock = self._lock, -1
        os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


def write_durably(path: Path, chunks: Iterable[Buffer], *, replace: bool = True) -> None:
    """Replace `path`, or the file that it links to, by a file of these chunks: a reader finds the old or the whole new.

    The chunks go to a temporary file in the target's folder, which is synced and renamed over the target; then the
    folder is synced. On any failure before the rename the temporary file is removed and the old file is
    untouched; a failed sync is never tried again on the same file. Once this returns, the new file survives a
    loss of power. Where only the sync of the folder fails, the new file is in place, but a loss of power may
    bring the old one back.

    replace: whether there may be a file. Raises OSError that names `path`, whatever step failed.
    """
    with NewFile(path, replace=replace) as file:
        with named(path):
            _write_and_close(file.descriptor, chunks)
        file.publish()


def _write_and_close(descriptor: int, chunks: Iterable[Buffer]) -> None:
    """Write the chunks, sync and close the file. Raises OSError."""
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
