"""Lines that people are told of files, whatever kind of corpus is made of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gpurnn.exceptions import shell_word

SHOWN_NAMES = 5
"""At most so many names of files are told."""


def counted(number: int, what: str, ending: str = "s") -> str:
    """So many of something. ending: of more than one."""
    return f"{number:,} {what}{'' if number == 1 else ending}"


def told_of_names(passed_over: Sequence[Path]) -> Iterator[str]:
    """Of names in folders that are not of files."""
    if passed_over:
        shown = " ".join(shell_word(path) for path in passed_over[:SHOWN_NAMES])
        yield f"  {counted(len(passed_over), 'name')} in folders, not of files, were left out: {shown}"


def told_of_bytes(wrong_bytes: int, replacements: int, damaged: int) -> Iterator[str]:
    """Of bytes not in the encoding, in so many damaged files, and the U+FFFD that stand for them."""
    if wrong_bytes:
        fate = f"became {replacements:,} U+FFFD" if replacements else "were dropped"
        yield f"  {wrong_bytes:,} bytes not in the encoding {fate}, in {counted(damaged, 'file')}"
