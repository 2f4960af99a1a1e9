"""Copies a corpus out of an untrusted file; libhdf5 sees that file in a confined child process only."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.validate import MAX_ATTRIBUTE_BYTES
from gpurnn.data.corpus.writer import new_corpus
from gpurnn.exceptions import CorpusError, DataError
from gpurnn.files.errors import reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside

_CHILD = (sys.executable, "-P", "-c", "from gpurnn.data.corpus.quarantine import main; main()")
_SILENCE_SECONDS = 60.0  # a child without output for so long is stopped
_BLOCK_BYTES = 1 << 20
_LONGEST_REASON = 2000


def import_corpus(source: Path, target: Path, *, force: bool = False) -> Manifest:
    """Write to `target` a corpus with what the untrusted file `source` says, and return its manifest.

    A child process looks into the file (see `gpurnn.data.corpus.quarantine`); this one takes over a manifest and
    numbers, checks them, every digest among them, and writes a file of its own. The fingerprint stays the same.
    force: whether an existing target is replaced (see `gpurnn.files.output`). Nothing is left behind when it fails.
    Raises CorpusError: a file that is no corpus, or whose reader crashed or went over a limit. UsageError, DataError,
    OSError: a target that exists or cannot be written.
    """
    with reported_as(DataError, f"cannot write {target}"):
        sweep_beside(find_output(target, replace=force))
    with _child(source) as pipe:
        manifest = _read_manifest(source, pipe)
        with new_corpus(target, replace=force, source=source) as writer:
            for name, (length, dtype) in manifest.datasets().items():
                writer.create(name, length, dtype)
                count = _BLOCK_BYTES // dtype.itemsize
                for start in range(0, length, count):
                    data = pipe.read(min(count, length - start) * dtype.itemsize)
                    writer.append(name, np.frombuffer(data, dtype))
            pipe.end()
            if writer.digests() != manifest.sha256:
                raise CorpusError(f"{source}: not a corpus: its data do not have the SHA-256 in it; it was damaged")
            writer.finish(manifest)
    return manifest


def _read_manifest(source: Path, pipe: "_Pipe") -> Manifest:
    """The manifest that the child found, whose data the file can hold."""
    size = int.from_bytes(pipe.read(8), "little")
    if size > 2 * MAX_ATTRIBUTE_BYTES:
        raise CorpusError(f"{source}: not a corpus: its manifest has {size} bytes")
    try:
        manifest = Manifest.from_json(pipe.read(size))
    except CorpusError as error:
        raise CorpusError(f"{source}: not a corpus: {error}") from None
    declared = sum(length * dtype.itemsize for length, dtype in manifest.datasets().values())
    if declared > source.stat().st_size:
        raise CorpusError(f"{source}: not a corpus: it declares {declared} bytes of data, more than the file has")
    return manifest


class _Pipe:
    """What the child says, read with a limit on how long it may be silent."""

    def __init__(self, source: Path, child: subprocess.Popen[bytes], stream: IO[bytes]) -> None:
        self._source, self._child, self._number = source, child, stream.fileno()

    def begin(self) -> None:
        """Take the first byte: whether the child found a corpus. Raises CorpusError with its reason."""
        kind = self._some(1)
        if kind == b"M":
            return
        if kind != b"E":
            raise self._lost()
        reason = b""
        while len(reason) < _LONGEST_REASON and (part := self._some(_LONGEST_REASON - len(reason))):
            reason += part
        text = " ".join(reason.decode("utf-8", "replace").split())
        raise CorpusError(text if text.isprintable() else ascii(text)[1:-1])

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises CorpusError."""
        parts, left = [], size
        while left:
            part = self._some(left)
            if not part:
                raise self._lost()
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        """See that the child has nothing more to say and ended well. Raises CorpusError."""
        if self._some(1) or self._child.wait():
            raise self._lost()

    def _some(self, most: int) -> bytes:
        if not select.select([self._number], [], [], _SILENCE_SECONDS)[0]:
            raise CorpusError(f"{self._source}: reading it was stopped after {_SILENCE_SECONDS:g} silent seconds")
        return os.read(self._number, most)

    def _lost(self) -> CorpusError:
        """The error for a child that ended early."""
        try:
            code = self._child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        reason = f"its reader failed with code {code}"
        if code == -signal.SIGXCPU:
            reason = "its reader was stopped: it took too much CPU time"
        elif code < 0:
            reason = f"its reader crashed ({signal.Signals(-code).name})"
        return CorpusError(f"{self._source}: not a corpus: {reason}; do not use this file")


@contextmanager
def _child(source: Path) -> Iterator[_Pipe]:
    """The child process that reads `source`; killed at the end of the block if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HDF5_")}
    environment |= {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(folder) for folder in sys.path if folder),  # noqa: PTH100
        "HDF5_PLUGIN_PRELOAD": "::",  # no plugins, wherever they lie
        "OPENBLAS_NUM_THREADS": "1",
    }
    child = subprocess.Popen(
        [*_CHILD, os.fspath(source)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    try:
        pipe = _Pipe(source, child, child.stdout)
        pipe.begin()
        yield pipe
    finally:
        child.stdout.close()
        child.kill()
        child.wait()
