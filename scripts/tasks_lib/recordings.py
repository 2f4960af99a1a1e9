"""Recordings that are of a kind each, out of a file of the UCR and UEA archives, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_VALID = 6
"""Each so manieth recording of the training file becomes valid."""


class Recording(NamedTuple):
    """What was measured, (steps, columns), and what it is of."""

    values: NDArray[np.float64]
    label: str


def read_recordings(path: Path) -> list[Recording]:
    """The recordings of a .ts file: a line each, its columns and then its label parted by colons."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#@":
            *columns, label = line.split(":")
            found.append(Recording(np.array([column.split(",") for column in columns], np.float64).T, label))
    return found


def write_recordings(sources: Sequence[Path], folder: Path) -> Mapping[str, Path]:
    """Tables of the splits, the rows of each recording in their order. sources: the files of training and of test."""
    training, test = map(read_recordings, sources)
    splits = {
        "train": [each for place, each in enumerate(training) if place % _VALID],
        "valid": training[::_VALID],
        "test": test,
    }
    paths = {}
    for name, recordings in splits.items():
        paths[name] = folder / f"{name}.csv"
        with paths[name].open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(_rows(recordings, name))
    return paths


def _rows(recordings: Sequence[Recording], split: str) -> Iterator[str]:
    columns = recordings[0].values.shape[1]
    yield ",".join(["recording", *(f"c{number}" for number in range(1, columns + 1)), "label"]) + "\n"
    for number, (values, label) in enumerate(recordings):
        for row in values.tolist():
            yield ",".join([f"{split}{number}", *map(repr, row), label]) + "\n"
