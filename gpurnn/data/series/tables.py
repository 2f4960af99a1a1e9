"""The tables that are read: files, folders, pipes, each of which can be looked at before it is read."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from gpurnn.data.series.lines import ADVICE
from gpurnn.data.text.decoding import refuse_other_formats, text_decoder
from gpurnn.data.text.inputs import BLOCK, Advance, Source, read_blocks
from gpurnn.data.text.tokens import TextPolicy


class Tables:
    """Opens the tables of some sources. folder: where what was looked at of a pipe is kept, without a name.

    Raises DataError where they are opened for what cannot be read, and for what is no text in the encoding.
    """

    def __init__(self, sources: list[Source], encoding: str, stdin: IO[bytes] | None, folder: Path) -> None:
        self._policy = TextPolicy(encoding)
        text_decoder(self._policy)
        self._stdin = stdin
        self._folder = folder
        self._kept: dict[Source, _Kept] = {}
        self.sources = sources

    def looks(self) -> list[tuple[str, Callable[[], Iterator[bytes]]]]:
        """What messages call each table, and what opens it to look at it."""
        return [(source.label, partial(self._look, source)) for source in self.sources]

    def read(self, source: Source, advance: Advance) -> Iterator[bytes]:
        """The bytes of a table in blocks, from its beginning; those of a pipe can be had once."""
        if source in self._kept:
            return self._kept[source].rest(advance)
        return self._open(source, advance)

    def _look(self, source: Source) -> Iterator[bytes]:
        blocks = self._open(source, lambda count: None)
        if source.path is not None and source.path.is_file():
            return blocks
        self._kept[source] = _Kept(blocks, self._folder)
        return self._kept[source].look()

    def _open(self, source: Source, advance: Advance) -> Iterator[bytes]:
        check = partial(refuse_other_formats, source.label, self._policy, "", ADVICE)
        return read_blocks(source, self._stdin, advance, check)

    def close(self) -> None:
        """Gives back what was kept."""
        for kept in self._kept.values():
            kept.close()


class _Kept:
    """Blocks that can be had once, whose beginning is looked at first."""

    def __init__(self, blocks: Iterator[bytes], folder: Path) -> None:
        self._blocks = blocks
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def look(self) -> Iterator[bytes]:
        """The blocks, kept as they come."""
        for block in self._blocks:
            self._file.write(block)
            yield block

    def rest(self, advance: Advance) -> Iterator[bytes]:
        """All blocks: those that were kept, then the others."""
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            advance(len(block))
            yield block
        self._file.close()
        for block in self._blocks:
            advance(len(block))
            yield block

    def close(self) -> None:
        self._file.close()
