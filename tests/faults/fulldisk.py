"""A file system that is full for good: a small one in memory, mounted for this process alone."""

import ctypes
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

from faults.cases import Scenario, run_child
from faults.shim import Unavailable, resolve
from gpurnn.exceptions import GpurnnError

PREFIX = ("unshare", "--map-root-user", "--mount")
DISK_BYTES = 512 << 10


def prefix() -> tuple[str, ...]:
    """The words that put a command where it may mount, for faults.shim.call. Raises Unavailable."""
    if shutil.which(PREFIX[0]) is None:
        raise Unavailable("full disks need `unshare`")
    mount = [*PREFIX, "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    tried = subprocess.run(mount, capture_output=True, text=True)
    if tried.returncode:
        raise Unavailable(f"full disks need the right to mount: {tried.stderr.strip()}")
    return PREFIX


def fill(scenario: str, count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Do the scenario's work, which must not end by itself, on `count` disks with a random rest of space.

    Call it with `prefix()`.

    Returns {"cases", "reported": ended with a typed error, "violations": one line each}.
    """
    chosen: Scenario = resolve(scenario)
    disk = Path(scratch) / "disk"
    disk.mkdir()
    _mount(disk)
    generator = random.Random(seed)
    report: dict[str, Any] = {"cases": count, "reported": 0, "violations": []}
    for case in range(count):
        folder = disk / "case"
        folder.mkdir()
        chosen.prepare(folder)
        _leave(disk, generator.randrange(96 << 10))
        outcome = run_child(chosen, folder)
        try:
            assert outcome.signal == 0, f"died by signal {outcome.signal}"
            assert outcome.ending == "reported", f"{outcome.ending}: {outcome.text}"
            told = f"No space left on device; free some space on the file system at {disk.resolve()}, or use another"
            assert told in outcome.text, outcome.text
            report["reported"] += 1
            chosen.check(folder, outcome)
        except (AssertionError, GpurnnError) as exc:
            report["violations"].append(f"disk {case}: {exc}")
        shutil.rmtree(folder)
        (disk / "filler").unlink()
    return report


def _mount(folder: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    options = f"size={DISK_BYTES}".encode()
    if library.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options):
        raise OSError(ctypes.get_errno(), "cannot mount a small file system")


def _leave(disk: Path, space: int) -> None:
    """Fill the disk but for `space` bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(max(0, free - space)))
