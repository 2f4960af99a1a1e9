"""Packages of Debian, fetched by apt and unpacked; nothing is installed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks_lib.packages import FetchError

_PATIENCE = 600  # seconds


def unpack(package: str, folder: Path) -> None:
    """Fetch a package, and unpack what is in it into `folder`. Raises FetchError, where there is no apt, too."""
    run(["apt-get", "download", "--quiet", package], folder)
    for archive in folder.glob("*.deb"):
        run(["dpkg-deb", "--extract", archive.name, "."], folder)
        archive.unlink()


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command in a folder, and with no other environment where one is given. Raises FetchError."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]}: {error}") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E")] or ["it failed"]
        raise FetchError(f"{' '.join(command)}: {said[-1]}")
