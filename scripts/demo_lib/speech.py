"""What `scripts/demo speech` runs: `python -m demo_lib.speech write FOLDER` and `... hear FOLDER < LINES`.

Digits that are said one after the other, how loud they are as characters of a terminal, and below what was heard, when.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tasks_lib.packages import FetchError
from tasks_lib.sounds import read_sound
from tasks_lib.spoken import fetch_sounds, write_recorded

from demo_lib.lines import placed

_SOME = 3
"""Recordings that are shown."""
_SECONDS = 0.05
"""Of a column."""
_LEVELS = " ▁▂▃▄▅▆▇█"


def main() -> int:
    """Does what is asked; returns the exit code."""
    parser = argparse.ArgumentParser(prog="demo_lib.speech", description=__doc__)
    parser.add_argument("command", choices=("write", "hear"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        {"write": write, "hear": hear}[arguments.command](arguments.folder)
    except FetchError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    return 0


def write(folder: Path) -> None:
    """Writes train.jsonl, valid.jsonl, test.jsonl, and some.jsonl, the first lines of test."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = write_recorded(fetch_sounds(), folder)[""]
    for split, listed in lists.items():
        print(f"{split}: {len(listed.read_text(encoding='ascii').splitlines()):,} recordings")
    some = lists["test"].read_text(encoding="ascii").splitlines(True)[:_SOME]
    (folder / "some.jsonl").write_text("".join(some), encoding="ascii")
    print(f"some: the first {len(some)} of test")


def hear(folder: Path) -> None:
    """Prints how loud recordings are, below each what was heard, and what is right where that is something else."""
    for row in map(json.loads, sys.stdin):
        print(f"{folder / row['frames']}\n{loudness(*read_sound(folder / row['frames']))}")
        found, right = row["predicted_text"], row["text"]
        line = placed(found.split(), [round(time / _SECONDS) for time in row["times"]])
        print(line + ("" if found == right else f"   right is {right}") + "\n")


def loudness(sound: NDArray[np.float64], rate: int) -> str:
    """A character for each part of a sound: the mean of it beside that of the loudest part."""
    size = round(rate * _SECONDS)
    parts = np.abs(sound[: len(sound) // size * size]).reshape(-1, size).mean(axis=1)
    levels = np.ceil(parts / max(parts.max(initial=0), 1e-9) * (len(_LEVELS) - 1)).astype(int)
    return "".join(_LEVELS[level] for level in levels)


if __name__ == "__main__":
    sys.exit(main())
