"""Writes a corpus file in bounded memory, and publishes it only when it is whole.

HDF5 loses errors of the disk, or dies of them, when it meets them itself. Here it writes into a sink that takes the
first error for itself and goes on as if nothing had happened; the writer raises it as soon as HDF5 has returned. An
exception that a signal raised inside the sink would be the end of the process: signals wait while HDF5 works.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from h5py import h5a, h5s, h5t
from numpy.typing import NDArray

from gpurnn.data.corpus.corpus import Corpus
from gpurnn.data.corpus.schema import ATTRIBUTE, CHUNK_BYTES, Manifest
from gpurnn.exceptions import CorpusError
from gpurnn.files.durable import NewFile
from gpurnn.signals import held

Progress = Callable[[str, int, int], None]
"""Called with a phase ("reading", "writing", "verifying"), how much of it is done, and the whole, 0 if unknown."""


class _Sink:
    """The file object that HDF5 writes to: never fails, keeps the first error."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self.error: OSError | None = None

    def _try(self, operation: Any, *arguments: Any) -> Any:
        if self.error is None:
            try:
                return operation(*arguments)
            except OSError as error:
                self.error = error
        return None

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._try(self._file.read, size) or b""

    def readinto(self, buffer: memoryview) -> int:
        return self._try(self._file.readinto, buffer) or 0

    def write(self, data: memoryview) -> int:
        view, done = memoryview(data), 0
        while done < len(view) and self.error is None:
            done += self._try(self._file.write, view[done:]) or 0
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        return self._try(self._file.truncate, size) or 0

    def flush(self) -> None:
        return None

    def sync(self) -> None:
        self._try(os.fsync, self._file.fileno())

    def close(self) -> None:
        self._file.close()


class CorpusWriter:
    """Writes datasets one block after the other into a new file, which takes the place of `target` in the end.

    Use it as a context manager: unless `publish` was reached, leaving it removes the new file.
    replace: whether a target that is there may be replaced (see `gpurnn.files.output`).
    Errors of the disk are raised as OSError that names the target.
    """

    def __init__(self, target: Path, *, replace: bool) -> None:
        self._target = target
        self._new = NewFile(target, replace=replace)
        self.temporary = self._new.temporary
        self._sink = _Sink(self._new.descriptor)
        self._file: Any = None
        try:
            self._file = h5py.File(self._sink, "w", libver=("v110", "v110"))
        except BaseException:
            self._abandon()
            raise
        self._hashes: dict[str, Any] = {}
        self._written: dict[str, int] = {}

    @held()
    def create(self, name: str, length: int, dtype: np.dtype[Any]) -> None:
        """Declares a dataset of `length` entries (at least 1), which `append` then fills."""
        chunk = min(CHUNK_BYTES // dtype.itemsize, length)
        self._file.create_dataset(name, shape=(length,), dtype=dtype, chunks=(chunk,))
        self._hashes[name] = hashlib.sha256()
        self._written[name] = 0
        self._check()

    @held()
    def append(self, name: str, block: NDArray[Any]) -> None:
        """Writes the next entries of a dataset, (n,), converted to its type."""
        dataset = self._file[name]
        block = np.ascontiguousarray(block, dataset.dtype)
        start = self._written[name]
        dataset[start : start + len(block)] = block
        self._hashes[name].update(block)
        self._written[name] = start + len(block)
        self._check()

    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each dataset as far as it is written, in hexadecimal."""
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}

    def finish(self, manifest: Manifest) -> None:
        """Writes the manifest, closes the file, and makes sure that it is on the disk; it is not yet published."""
        self._write_manifest(manifest.to_json().encode())
        self._sink.sync()
        self._check()
        self._sink.close()

    @held()
    def _write_manifest(self, text: bytes) -> None:
        """The manifest, which is the last of what HDF5 writes."""
        kind = h5t.C_S1.copy()
        kind.set_size(len(text))
        kind.set_cset(h5t.CSET_UTF8)
        attribute = h5a.create(self._file["/"].id, ATTRIBUTE.encode(), kind, h5s.create(h5s.SCALAR))
        attribute.write(np.array(text, f"S{len(text)}"), mtype=kind)
        del attribute
        self._close_file()

    def verify(self, culprit: Path) -> None:
        """Reads the finished file as a user would; CorpusError, which names `culprit`, when it is not sound."""
        try:
            with Corpus.open(self.temporary) as corpus:
                corpus.verify()
        except CorpusError as error:
            raise CorpusError(str(error).replace(str(self.temporary), str(culprit))) from None

    def publish(self) -> None:
        """Gives the finished file its name."""
        self._new.publish()

    def _check(self) -> None:
        error = self._sink.error
        if error is not None:
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self._target))

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._check()

    @held()
    def _abandon(self) -> None:
        """Removes the new file unless it was published, and closes what is open."""
        self._new.discard()
        self._sink.error = self._sink.error or OSError(0, "abandoned")  # what HDF5 has not yet written is dropped
        try:
            if self._file is not None:
                self._file.close()
        except (OSError, RuntimeError, ValueError):
            pass
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandon()


@contextmanager
def new_corpus(
    target: Path, *, replace: bool, source: Path | None = None, progress: Progress = lambda phase, done, whole: None
) -> Iterator[CorpusWriter]:
    """A `CorpusWriter` until the end of the block, where the file, which is finished then, is verified and published.

    source: what to name where it is not sound; None: `target`. A signal cannot come between the writer's making and
    the clean-up.
    """
    with ExitStack() as stack:
        with held():
            writer = stack.enter_context(CorpusWriter(target, replace=replace))
        yield writer
        progress("verifying", 0, 0)
        writer.verify(source or target)
        writer.publish()
