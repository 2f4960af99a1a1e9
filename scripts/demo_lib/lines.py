"""What `scripts/demo lines` runs: `python -m demo_lib.lines write FOLDER` and `... read FOLDER < LINES`.

Lines of writing, their pictures as characters of a terminal, and below each what was read, where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tasks_lib.lines import MEMBER, PACKAGE, write_lines
from tasks_lib.packages import data_file

_SOME = 4
"""Lines that are shown."""
_INK = 0.35
"""A point with at least so much of it is drawn."""
_HALVES = " ▄▀█"
"""Neither, the lower one, the upper one, both of two points that stand above each other."""


def main() -> int:
    """Does what is asked; returns the exit code."""
    parser = argparse.ArgumentParser(prog="demo_lib.lines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="make lines and lists of them").add_argument("folder", type=Path)
    commands.add_parser("read", help="show a list with what was read, from standard input").add_argument(
        "folder", type=Path, help="of the list"
    )
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.folder)
    else:
        read(arguments.folder)
    return 0


def write(folder: Path) -> None:
    """Writes train.jsonl, valid.jsonl, test.jsonl, and some.jsonl, the first lines of test."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = write_lines([data_file(PACKAGE, MEMBER)], folder)[""]
    for split, listed in lists.items():
        print(f"{split}: {len(listed.read_text(encoding='ascii').splitlines()):,} lines")
    some = lists["test"].read_text(encoding="ascii").splitlines(True)[:_SOME]
    (folder / "some.jsonl").write_text("".join(some), encoding="ascii")
    print(f"some: the first {len(some)} of test")


def read(folder: Path) -> None:
    """Prints pictures, below each what was read, and what is right where that is something else."""
    for row in map(json.loads, sys.stdin):
        sys.stdout.writelines(f"{each}\n" for each in drawn(np.load(folder / row["frames"])))
        found, right = row["predicted_text"], row["text"]
        print(placed(found, row["times"]) + ("" if found == right else f"   right is {right}") + "\n")


def drawn(frames: NDArray[np.float32]) -> Iterator[str]:
    """The rows of a picture. frames: (n, height), its columns from the left, 0 to 1; the height is even."""
    ink = frames >= _INK
    for upper, lower in zip(ink.T[::2], ink.T[1::2], strict=True):
        yield "".join(_HALVES[2 * int(above) + int(below)] for above, below in zip(upper, lower, strict=True)).rstrip()


def placed(symbols: Sequence[str], columns: Sequence[int]) -> str:
    """Symbols, each below the column in which it was read, or right after the one before it."""
    row = ""
    for symbol, column in zip(symbols, columns, strict=True):
        row = row.ljust(column) + symbol
    return row


if __name__ == "__main__":
    sys.exit(main())
