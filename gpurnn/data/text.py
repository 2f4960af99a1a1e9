"""Reads text files in blocks of bounded size: which files, their bytes, their characters, their documents."""

import codecs
import gzip
import io
import os
import stat
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from gpurnn.data.tokens import TextPolicy
from gpurnn.exceptions import DataError

BLOCK = 1 << 20
"""Bytes read at once."""
_LONGEST_CARRY = 1 << 24
_PREPARE_ADVICE = "give the right --encoding, or --errors replace; --tokens bytes takes any file"
_Progress = Callable[[int], None]
Piece = tuple[str | bytes, bool]
"""Some text, and whether a document begins with it."""


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


def find_sources(inputs: Sequence[str | Path]) -> list[Source]:
    """The files that the inputs mean: a file itself, all regular files under a folder in path order, "-" for stdin.

    Names that begin with a dot are left out of folders. Raises DataError for what is missing or holds nothing.
    """
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
        found = _files_under(path)
        if not found:
            raise DataError(f"{path}: the folder has no files; give a folder with text files")
        sources.extend(Source(file, False) for file in found)
    return sources


def _files_under(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot read the folder: {error.strerror}") from None

    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(where, name) for name in names if not name.startswith("."))
        found.extend(path for path in paths if path.is_file())
    return sorted(found, key=lambda path: path.parts)


def read_blocks(source: Source, stdin: IO[bytes] | None, progress: _Progress) -> Iterator[bytes]:
    """The bytes of a source in blocks, those of a .gz file unpacked; DataError when they cannot be read.

    progress: called with how many bytes were taken from the disk since the last call.
    """
    try:
        if source.path is None:
            if stdin is None:
                raise DataError("standard input: not available here; give a file")
            yield from _blocks(stdin, stdin, progress)
        else:
            with open(source.path, "rb") as raw:
                unpacked = gzip.GzipFile(fileobj=raw) if source.path.suffix == ".gz" else raw
                yield from _blocks(cast(IO[bytes], unpacked), raw, progress)
    except EOFError:
        raise DataError(f"{source.label}: the .gz file is truncated; get it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{source.label}: not a sound .gz file: {error}") from None
    except OSError as error:
        raise DataError(f"{source.label}: cannot read the text: {error.strerror or error}") from None


def _blocks(file: IO[bytes], raw: IO[bytes], progress: _Progress) -> Iterator[bytes]:
    before = total = 0
    while block := file.read(BLOCK):
        total += len(block)
        now = raw.tell() if file is not raw else total
        progress(now - before)
        before = now
        yield block


def decode_blocks(
    blocks: Iterable[bytes], label: str, policy: TextPolicy, advice: str = _PREPARE_ADVICE
) -> Iterator[str]:
    """The characters of blocks of bytes, newlines as the policy says.

    Raises DataError with the offset of the first byte that is not in the encoding, and with the advice.
    """
    decoder = text_decoder(policy)
    fed = 0

    def decode(block: bytes, final: bool) -> str:
        try:
            return cast(str, decoder.decode(block, final))
        except UnicodeDecodeError as error:
            offset = fed - len(error.object) + error.start
            wrong = error.object[error.start : min(error.end, error.start + 4)].hex(" ")
            raise DataError(
                f"{label}: byte {offset} ({wrong}) is not {policy.encoding}: {error.reason}; {advice}"
            ) from None

    for block in blocks:
        fed += len(block)
        yield decode(block, False)
    yield decode(b"", True)


def text_decoder(policy: TextPolicy) -> Any:
    """An incremental decoder for the policy's encoding, errors and newlines; DataError when Python has none."""
    try:
        "a".encode(policy.encoding)
        name = "utf-8-sig" if codecs.lookup(policy.encoding).name == "utf-8" else policy.encoding
        decoder = codecs.getincrementaldecoder(name)(policy.errors)
    except (LookupError, UnicodeError):
        raise DataError(f"{policy.encoding!r} is not a text encoding Python knows; try utf-8 or latin-1") from None
    return io.IncrementalNewlineDecoder(decoder, translate=True) if policy.newline == "lf" else decoder


class Cutter:
    """Cuts a source's blocks into documents at a separator, which belongs to none of them."""

    def __init__(self, separator: str | bytes | None) -> None:
        self._separator = separator
        self._held: Any = None

    def cut(self, blocks: Iterable[str | bytes]) -> Iterator[list[Piece]]:
        """For each block its pieces; the first one begins a document."""
        begins = True
        for block in blocks:
            parts = self._parts(block)
            pieces = [(parts[0], begins), *((part, True) for part in parts[1:])]
            begins = False
            yield pieces
        if self._held:
            yield [(self._held, begins)]
            self._held = None

    def _parts(self, block: Any) -> list[Any]:
        if self._separator is None:
            return [block]
        text = block if self._held is None else self._held + block
        parts: list[Any] = text.split(self._separator)
        keep = len(self._separator) - 1  # the separator may begin here and end in the next block
        last = parts[-1]
        edge = max(len(last) - keep, 0)
        parts[-1], self._held = last[:edge], last[edge:]
        return parts


class Normaliser:
    """Applies normalisation and case to pieces, so that the result does not depend on where blocks end."""

    def __init__(self, policy: TextPolicy) -> None:
        self._form = cast(Literal["NFC"] | None, policy.normalise)
        self._lower = policy.lower
        self._held = ""

    def __call__(self, groups: Iterable[list[Piece]]) -> Iterator[list[Piece]]:
        """The pieces of one source, changed."""
        begins = True
        for group in groups:
            result: list[Piece] = []
            for text, new in group:
                if new:
                    result.append((self._change(self._held), begins))
                    self._held, begins = "", True
                text = self._held + cast(str, text)
                edge = self._safe_edge(text)
                self._held = text[edge:]
                result.append((self._change(text[:edge]), begins))
                begins = False
            yield result
        yield [(self._change(self._held), begins)]
        self._held = ""

    def _change(self, text: str) -> str:
        if self._form is not None:
            text = unicodedata.normalize(self._form, text)
        return text.lower() if self._lower else text

    def _safe_edge(self, text: str) -> int:
        """Where text may be cut: before white space, else (nothing to lower) before what never joins what precedes."""
        edge = max(text.rfind(" "), text.rfind("\n"))
        if edge > 0:
            return edge
        if not self._lower:
            for index in range(len(text) - 1, max(len(text) - 4096, 0), -1):
                if _stands_alone(text[index]):
                    return index
        return len(text) if len(text) > _LONGEST_CARRY else 0


def _stands_alone(character: str) -> bool:
    """Whether a character never combines with the ones before it, in any normal form."""
    if character.isascii():
        return True
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first)[0] not in "MC" and not "\u1160" <= first <= "\u11ff" and first < "\U00010000"


def read_pieces(
    source: Source,
    policy: TextPolicy | None,
    separator: str | None,
    stdin: IO[bytes] | None,
    progress: _Progress,
    advice: str = _PREPARE_ADVICE,
) -> Iterator[list[Piece]]:
    """The pieces of a source's documents; with policy None they are bytes as they are in the file.

    advice: what to do about bytes that are not in the encoding.
    """
    blocks = read_blocks(source, stdin, progress)
    if policy is None:
        yield from Cutter(None if separator is None else separator.encode()).cut(blocks)
        return
    pieces = Cutter(separator).cut(decode_blocks(blocks, source.label, policy, advice))
    yield from pieces if policy.normalise is None and not policy.lower else Normaliser(policy)(pieces)
