"""Which files to read, and their bytes in blocks of bounded size, unpacked; a change meanwhile is an error."""

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from gpurnn.data.text.formats import GZIP, HEAD
from gpurnn.exceptions import DataError, UsageError

BLOCK = 1 << 20
"""Bytes read at once."""
Advance = Callable[[int], None]
"""Called with the number of bytes that were read from the disk since the last call."""
Check = Callable[[bytes, bool], None]
"""Raises DataError where the first HEAD bytes are those of another format; the flag: packed with gzip."""


@dataclass(frozen=True)
class Source:
    """One file to read, or standard input. named: given by the user, not found in a folder."""

    path: Path | None
    named: bool

    @property
    def label(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None else str(self.path)

    @property
    def size(self) -> int:
        """Bytes on the disk as far as known; 0 for a pipe."""
        return 0 if self.path is None else self.path.stat().st_size


def find_sources(inputs: Sequence[str | Path], passed_over: list[Path] | None = None) -> list[Source]:
    """The files that the inputs mean: a file itself, all regular files under a folder in path order, "-" for stdin.

    Names that begin with a dot are left out of folders. passed_over: takes the other names in folders that are not
    read: links that lead nowhere or to a folder, and what is neither a file nor a folder.
    Raises DataError for what is missing or holds nothing.
    """
    passed_over = [] if passed_over is None else passed_over
    sources = []
    for given in inputs:
        if str(given) == "-":
            sources.append(Source(None, True))
            continue
        path = Path(given)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise DataError(f"{path}: cannot read the text: {error.strerror}") from None
        if not stat.S_ISDIR(mode):
            sources.append(Source(path, True))
            continue
        found = _files_under(path, passed_over)
        if not found:
            raise DataError(f"{path}: the folder has no files; give a folder with text files")
        sources.extend(Source(file, False) for file in found)
    return sources


def check_sources(first: Sequence[Source], others: Sequence[Source], target: Path, what: str) -> None:
    """Raises UsageError where there is nothing to prepare, and where a source cannot be read or would be overwritten.

    first: what has to be there, others: what may be. target: the corpus. what: a source is, "text" or "table".
    """
    if not first:
        raise UsageError(f"no {what} to prepare; name a file, a folder, or - for standard input")
    sources = [*first, *others]
    if sum(source.path is None for source in sources) > 1:
        raise UsageError("standard input (-) can be read only once")
    if target.exists():
        for source in sources:
            if source.path is not None and source.path.samefile(target):
                raise UsageError(f"{target} is among the {what}s; give another name for the corpus")


def reading_of(sources: Sequence[Source], progress: Callable[[str, int, int], None]) -> Advance:
    """What tells how much of these sources is read. progress: called with "reading", the bytes read, and all."""
    whole, done = sum(source.size for source in sources), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("reading", done, whole)

    return advance


def _files_under(folder: Path, passed_over: list[Path]) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot read the folder: {error.strerror}") from None

    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(where, name) for name in names if not name.startswith(".")):
            (found if path.is_file() else passed_over).append(path)
        passed_over.extend(path for path in (Path(where, name) for name in folders) if path.is_symlink())
    passed_over.sort(key=lambda path: path.parts)
    return sorted(found, key=lambda path: path.parts)


def read_blocks(
    source: Source, stdin: IO[bytes] | None, advance: Advance, check: Check | None = None
) -> Iterator[bytes]:
    """The bytes of a source in blocks, gzip data unpacked, under any name and from standard input.

    check: sees the first bytes, as they are unpacked, before anything is yielded.
    Raises DataError for what cannot be read, and for a regular file that changed while it was read.
    """
    try:
        if source.path is not None:
            yield from _file_blocks(source, source.path, advance, check)
        elif stdin is not None:
            yield from _unpacked(source, _Reader(stdin), advance, check)
        else:
            raise DataError("standard input: not available here; give a file")
    except EOFError:
        raise DataError(f"{source.label}: the .gz file is truncated; get it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source.label}: not a sound .gz file: {error}; get it again") from None
    except OSError as error:
        raise DataError(f"{source.label}: cannot read the text: {error.strerror or error}") from None


def _file_blocks(source: Source, path: Path, advance: Advance, check: Check | None) -> Iterator[bytes]:
    with open(path, "rb") as file:
        before = os.fstat(file.fileno())
        reader = _Reader(file)
        try:
            yield from _unpacked(source, reader, advance, check)
        except (EOFError, OSError, zlib.error):
            _refuse_change(path, before, file)  # that may be why
            raise
        _refuse_change(path, before, file)
        if stat.S_ISREG(before.st_mode) and before.st_size not in (0, reader.taken):  # files of /proc say 0
            raise DataError(f"{path}: {before.st_size} bytes were there, {reader.taken} could be read; try again")


def _refuse_change(path: Path, before: os.stat_result, file: IO[bytes]) -> None:
    """Raises DataError where a regular file is not what it was when it was opened, or its name means another one."""
    change = _change(path, before, os.fstat(file.fileno())) if stat.S_ISREG(before.st_mode) else None
    if change is not None:
        raise DataError(f"{path}: it was {change} while it was read; give a copy that nothing changes")


def _change(path: Path, before: os.stat_result, now: os.stat_result) -> str | None:
    if now.st_size != before.st_size:
        verb = "shortened" if now.st_size < before.st_size else "lengthened"
        return f"{verb} from {before.st_size} to {now.st_size} bytes"
    if now.st_mtime_ns != before.st_mtime_ns:
        return "written to"
    try:
        return None if os.path.samestat(path.stat(), before) else "replaced"
    except OSError:
        return "removed"


class _Reader:
    """The bytes of a file in order; `peek` looks at the next ones without taking them.

    taken: bytes taken from the file so far, those that were looked at among them.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ahead = b""
        self._ended = False
        self.taken = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        while len(self._ahead) < size and not self._ended:
            self._ahead += self._more(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none only at the end."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data + self._more(size - len(data)) if len(data) < size else data

    def _more(self, size: int) -> bytes:
        if self._ended:
            return b""
        data = self._file.read(size)
        self._ended = not data
        self.taken += len(data)
        return data


def _unpacked(source: Source, raw: _Reader, advance: Advance, check: Check | None) -> Iterator[bytes]:
    head = raw.peek(HEAD)
    packed = head.startswith(GZIP)
    if check is not None and not packed:
        check(head, False)
    reader = raw
    if packed or (source.path is not None and source.path.suffix == ".gz"):
        reader = _Reader(cast(IO[bytes], gzip.GzipFile(fileobj=cast(IO[bytes], raw))))
        if check is not None:
            check(reader.peek(HEAD), True)
    before = 0
    while block := reader.read(BLOCK):
        advance(raw.taken - before)
        before = raw.taken
        yield block
