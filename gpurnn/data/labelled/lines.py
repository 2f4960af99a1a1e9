"""From the bytes of a file to its lines, with their numbers."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, NamedTuple

from gpurnn.data.series.lines import LONGEST_LINE
from gpurnn.data.text.decoding import Advice, Losses, decode_blocks, refuse_other_formats, text_decoder
from gpurnn.data.text.inputs import Advance, Source, read_blocks
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError

ADVICE = Advice(
    "give the right `encoding`, or `errors=replace`",
    "give `encoding={encoding}`",
    "| gpurnn prepare - -o CORPUS",
    "",
)


class Place(NamedTuple):
    """A line of a file, from 1. As a text it is what messages say."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line:,}"


@dataclass
class Opener:
    """Opens files as the policy says. advance: takes the bytes that were read. losses: takes what decoding lost."""

    policy: TextPolicy
    stdin: IO[bytes] | None
    advance: Advance
    losses: Losses = field(default_factory=Losses)

    def lines(self, source: Source) -> Iterator[str]:
        """The lines of a file with their ends: LF, CR LF, or CR. Raises DataError for what is no text."""
        text_decoder(self.policy)
        check = partial(refuse_other_formats, source.label, self.policy, "", ADVICE)
        blocks = read_blocks(source, self.stdin, self.advance, check)
        kept = replace(self.policy, newline="keep")
        cutter = LineCutter(source.label)
        for text in decode_blocks(blocks, source.label, kept, ADVICE, self.losses):
            yield from cutter.feed(text)
        yield from cutter.finish()


class LineCutter:
    """Cuts a text, as it comes, into its lines with their ends: LF, CR LF, or CR where there is no LF."""

    def __init__(self, label: str) -> None:
        """label: what messages call the text."""
        self._label = label
        self._held = ""

    def feed(self, text: str) -> Iterable[str]:
        """The lines that are whole now. Raises DataError for one that is too long."""
        whole = self._held + text
        edge = whole.rfind("\n") + 1 or whole.rfind("\r", 0, -1) + 1
        self._held = whole[edge:]
        if len(self._held) > LONGEST_LINE:
            raise DataError(f"{self._label}: a line is longer than {LONGEST_LINE:,} characters; is it a table?")
        return io.StringIO(whole[:edge], newline="")

    def finish(self) -> Iterable[str]:
        """What is left at the end."""
        return io.StringIO(self._held, newline="")


def without_end(line: str) -> str:
    """A line without the LF, CR LF or CR that ends it."""
    return line.rstrip("\r\n")
