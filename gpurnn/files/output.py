"""Where an output goes: one rule for every file and folder that the program writes.

A symbolic link stands for what it leads to: that is replaced or made, and the link stays. Only a regular file is ever
replaced. A folder, FIFO, socket or device is refused before it is opened, whatever options are given, and so is "-".
"""

import errno
import os
import stat
from pathlib import Path

from gpurnn.exceptions import UsageError

STANDARD_OUTPUT = Path("-")
"""What stands for it where a name of a file is expected."""
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def find_output(name: Path, *, replace: bool = True) -> Path:
    """The file that `name` means once links are followed: a regular one, or a free name, in a folder for new files.

    replace: whether there may be a file. Changes nothing and opens nothing.
    Raises UsageError for "-"; OSError, which names `name` and says what to do, for anything else.
    """
    target, found = _follow(name)
    if found is None:
        if not target.parent.is_dir():
            folder = target.parent if name.is_symlink() else name.parent
            raise _refused(name, f"there is no folder {folder}; make it first")
    elif not stat.S_ISREG(found.st_mode):
        raise _refused(name, f"it is {_kind(found)}, and only a regular file can be replaced; give another name")
    elif not replace:
        raise _refused(name, "it exists; give another name or `force` to replace it")
    elif not os.path.lexists(target) or not os.path.samestat(found, target.lstat()):
        raise _refused(name, "it is an open file without a name; give another name")
    _expect_writable(name, target.parent)
    return target


def find_folder(name: Path) -> Path:
    """The folder that `name` means once links are followed, or where a new one may be made.

    Raises UsageError for "-"; OSError, which names `name` and says what to do, for anything else.
    """
    target, found = _follow(name)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise _refused(name, f"it is {_kind(found)}, not a folder; give another name")
    return target


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of a regular file; anything else is refused unopened, since opening can block or act on a device.

    flags: of os.open. Raises OSError.
    """
    if (found := _status(path)) is not None:
        _expect_regular(path, found)
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    try:
        _expect_regular(path, os.fstat(descriptor))  # it may have been replaced meanwhile
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _kind(found: os.stat_result) -> str:
    """What a file is, in words."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something unknown")


def _expect_writable(name: Path, folder: Path) -> None:
    """Refuse a folder in which nothing can be made: also what is replaced is made anew beside it first."""
    if not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(code, os.strerror(code), str(name))


def _expect_regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, f"it is {_kind(found)}, expected a file")


def _follow(name: Path) -> tuple[Path, os.stat_result | None]:
    """Where links lead, and what is there. Raises UsageError, OSError."""
    if name == STANDARD_OUTPUT:
        raise UsageError("-: an output goes to a file, not to standard output; give its name")
    found = _status(name)  # fails for links that lead round in a circle
    return Path(os.path.realpath(name)), found


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _refused(name: Path, reason: str) -> OSError:
    leads = f"a link to {os.path.realpath(name)}: " if name.is_symlink() else ""
    return OSError(errno.EINVAL, leads + reason, str(name))
