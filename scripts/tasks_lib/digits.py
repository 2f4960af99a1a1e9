"""Handwritten digits, 8 x 8 points each, and the words for them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HELD_OUT = {"test": 500, "valid": 100}
"""Pictures of these splits; the others are learnt from."""
_MOST = 16
"""The value of a point that is wholly black."""


def write_digits(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Files of words, a line each, and one with the points of all pictures, 0 to 1: train, then valid, then test.

    sources: a packed table with a picture a line, its points and then its digit.
    """
    with gzip.open(sources[0], "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    paths, begin = {"vectors": folder / "vectors.npy"}, 0
    np.save(paths["vectors"], (table[:, :-1] / _MOST).astype(np.float32))
    train = len(table) - sum(HELD_OUT.values())
    for split, count in (("train", train), ("valid", HELD_OUT["valid"]), ("test", HELD_OUT["test"])):
        paths[split] = folder / f"{split}.txt"
        words = [WORDS[int(digit)] for digit in table[begin : begin + count, -1]]
        paths[split].write_text("".join(f"{word}\n" for word in words), "utf-8", newline="\n")
        begin += count
    return {"": paths}
