"""`python -m demo_lib tables FOLDER` and `... show [--lines N] < TABLE`, which scripts/demo runs."""

from __future__ import annotations

import argparse
import os
import re
import sys
from itertools import chain
from pathlib import Path

from demo_lib.colour import LEGEND, coloured, lettered, read_marked
from demo_lib.library import sources, write_table

_SHOWN = 1500
"""Characters that are shown, and then up to the end of the line."""


def main() -> int:
    """Does what is asked; returns the exit code."""
    parser = argparse.ArgumentParser(prog="demo_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tables", help="write the library as tables").add_argument("folder", type=Path)
    commands.add_parser("show", help="a table with what was found, on standard input, in colours")
    arguments = parser.parse_args()
    if arguments.command == "tables":
        tables(arguments.folder)
    else:
        show()
    return 0


def tables(folder: Path) -> None:
    """Writes train.tsv, valid.tsv, test.tsv, and one.tsv, a file of the test split."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = sources()
    for split, files in splits.items():
        write_table(folder / f"{split}.tsv", files)
        print(f"{split}: {len(files)} files, {sum(len(text) for _, text, _ in files):,} characters")
    name, text, kinds = splits["test"][0]
    write_table(folder / "one.tsv", [(name, text, kinds)])
    print(f"one: {name}, the first file of test")


def show() -> None:
    """Prints what standard input holds from its first function or class on, and how much of all is right."""
    marked = list(read_marked(sys.stdin))
    begin, end = shown("".join(each.character for each in marked))
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    part = marked[begin:end]
    sys.stdout.writelines(coloured(part) if colours else chain([f"{LEGEND}\n"], lettered(part)))
    right = sum(each.right for each in marked)
    print(f"{right:,} of {len(marked):,} characters are right; from {begin:,} to {end:,} they are shown")


def shown(text: str) -> tuple[int, int]:
    """Where what is shown of source begins and ends."""
    first = re.search(r"^(def|class|async def|@)", text, re.MULTILINE)
    begin = first.start() if first else 0
    return begin, text.find("\n", begin + _SHOWN) + 1 or len(text)


if __name__ == "__main__":
    sys.exit(main())
