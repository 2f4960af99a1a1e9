"""`python -m demo_lib tables FOLDER` and `... show [--lines N] < TABLE`, which scripts/demo runs."""

from __future__ import annotations

import argparse
import os
import sys
from itertools import chain
from pathlib import Path

from demo_lib.colour import LEGEND, coloured, lettered, read_marked
from demo_lib.library import sources, write_table

_SHOWN = 2500
"""Characters of the first held-out file that are shown, and then up to the end of the line."""


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
    """Writes train.tsv, valid.tsv, test.tsv, and one.tsv, the beginning of one file of the test split."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = sources()
    for split, files in splits.items():
        write_table(folder / f"{split}.tsv", files)
        print(f"{split}: {len(files)} files, {sum(len(text) for _, text, _ in files):,} characters")
    name, text, kinds = splits["test"][0]
    end = text.find("\n", _SHOWN) + 1 or len(text)
    write_table(folder / "one.tsv", [(name, text[:end], kinds[:end])])
    print(f"one: the beginning of {name}, of the test split")


def show() -> None:
    """Prints what standard input holds."""
    marked = list(read_marked(sys.stdin))
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.writelines(coloured(marked) if colours else chain([f"{LEGEND}\n"], lettered(marked)))
    right = sum(each.right for each in marked)
    print(f"{right:,} of {len(marked):,} characters are right")


if __name__ == "__main__":
    sys.exit(main())
