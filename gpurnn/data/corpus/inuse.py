"""Whether another program has an HDF5 file open for writing: such a file cannot be read, but is not damaged."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FLAGS = 11  # where a superblock of version 3 says that the file is open
_OPEN = 0x01 | 0x04  # open for writing; open for writing beside readers (SWMR)


def describe_writer(descriptor: int) -> str | None:
    """Which program has the file open for writing, and what to do, in words; None where there is no sign of one.

    HDF5 locks a file that it writes for as long as its process lives, and marks it until it is closed.
    """
    if _is_locked(descriptor):
        return f"it is open for writing by {_holder(descriptor)}; close it there and try again"
    start = os.pread(descriptor, _FLAGS + 1, 0)
    if start[:9] == _SIGNATURE + b"\x03" and start[_FLAGS:] and start[_FLAGS] & _OPEN:
        return (
            "it is open for writing by another program; close it there and try again. If none is left, one ended "
            "before it closed the file: prepare the corpus again"
        )
    return None


def _is_locked(descriptor: int) -> bool:
    """Whether another program keeps others from reading the file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _holder(descriptor: int) -> str:
    """The process that has locked the file, as far as the system says."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_bytes().decode("ascii", "replace").splitlines():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
            if fields[1] == "FLOCK" and fields[3] == "WRITE" and fields[5] == place and int(fields[4]) > 0:
                return f"process {fields[4]}{_name(fields[4])}"
    return "another program"


def _name(process: str) -> str:
    """What the program calls itself, in brackets; nothing where that cannot be read or shown."""
    with suppress(OSError):
        name = Path("/proc", process, "comm").read_bytes().decode("utf-8", "replace").strip()
        return f" ({name})" if name.isprintable() else ""
    return ""
