"""Python's own library as tables of characters and their kinds: what is learnt from, and files that are held out."""

from __future__ import annotations

import random
import sysconfig
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo_lib.cells import lines_of
from demo_lib.kinds import NotPython, kinds_of

SHARES = {"train": 0.85, "valid": 0.05, "test": 0.1}
"""Of the files; in train are those that the others leave."""
Source = tuple[str, str, list[str]]
"""The name of a file, its text, and the kind of each character."""


def sources(folder: Path | None = None, seed: int = 0) -> dict[str, list[Source]]:
    """The files of each split, in a shuffled order. folder: the modules in it are taken, not what is in folders of it.

    What is no UTF-8, or is not read by this Python, is left out.
    """
    files = list(_read(sorted((folder or Path(sysconfig.get_path("stdlib"))).glob("*.py"))))
    random.Random(seed).shuffle(files)
    held = {name: max(1, round(share * len(files))) for name, share in SHARES.items() if name != "train"}
    splits = {name: [files.pop() for _ in range(count)] for name, count in held.items()}
    return {"train": files} | splits


def _read(paths: Sequence[Path]) -> Iterator[Source]:
    for path in paths:
        try:
            with tokenize.open(path) as file:
                text = file.read()
            yield path.name, text, kinds_of(text)
        except (NotPython, SyntaxError, UnicodeDecodeError):
            continue


def write_table(path: Path, files: Sequence[Source]) -> None:
    """Writes files as one table, a blank line after each."""
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for _, text, kinds in files:
            out.writelines(lines_of(text, kinds))
