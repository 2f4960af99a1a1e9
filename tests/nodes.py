"""Everything that can stand where an output should go, made in a folder of the test; never the system's own nodes."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        at = os.open(path.parent, os.O_RDONLY)  # a socket's path may have 107 bytes only
        made.bind(f"/proc/self/fd/{at}/{path.name}")
        os.close(at)


def _device(kind: int, major: int, minor: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        try:
            os.mknod(path, kind | 0o666, os.makedev(major, minor))
        except PermissionError:
            pytest.skip("needs the right to make device nodes")

    return make


def _link(name: str, to: Callable[[Path], object] | None = None) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        if to is not None:
            to(path.with_name(name))
        path.symlink_to(name)

    return make


_null = _device(stat.S_IFCHR, 1, 3)
SPECIAL: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "link to a FIFO": _link("fifo", os.mkfifo),
    "socket": _socket,
    "character device": _null,
    "link to a device": _link("null", _null),
    "full device": _device(stat.S_IFCHR, 1, 7),
    "block device": _device(stat.S_IFBLK, 240, 0),  # of nothing
    "link to itself": lambda path: path.symlink_to(path.name),
}
"""Neither file nor folder, by name; each makes one at a path."""
FOLDERS: dict[str, Callable[[Path], object]] = {"folder": Path.mkdir, "link to a folder": _link("folder", Path.mkdir)}
FREE: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "dangling link": _link("target"),
    "link to a dangling link": _link("second", _link("target")),
}
"""Where nothing is in the way."""


def files(content: bytes) -> dict[str, Callable[[Path], object]]:
    """Regular files with this content, by name."""

    def write(path: Path) -> int:
        return path.write_bytes(content)

    return {
        "file": write,
        "link to a file": _link("target", write),
        "link to a link": _link("second", _link("target", write)),
    }


def picture(folder: Path) -> dict[str, object]:
    """What is in a folder, without opening anything but regular files."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        what: object = None
        if path.is_symlink():
            what = path.readlink()
        elif path.is_file():
            what = path.read_bytes()
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_ino, status.st_rdev, what)
    return found
