"""Lines of handwritten digits: real pictures side by side, whose columns are read from the left."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PACKAGE, MEMBER = "scikit-learn==1.7.2", "digits.csv.gz"
"""Where the table of pictures comes from."""
SIDE = 8
"""Points of a picture, across and down."""
_MOST = 16
"""The value of a point that is wholly black."""
SHORTEST, LONGEST = 3, 7
"""Digits of a line."""
MOST_GAP = 2
"""Empty columns after a digit, from 0 to so many, each as likely as the others."""
FIRST_DAY, DAYS = date(1950, 1, 1), 36_525
HELD_OUT_DAYS = 1_000
"""Days that are written as lines; the others are the text from which one learns what dates look like."""


class Part(NamedTuple):
    """Which pictures the lines of a split are made of, and how many lines there are.

    The pictures stand in the order of those who wrote them, so that hardly any writer is in two splits.
    """

    begin: int
    end: int
    lines: int


PARTS = {"train": Part(0, 1250, 20_000), "valid": Part(1250, 1400, 500), "test": Part(1400, 1797, 1_000)}


class Pictures(NamedTuple):
    """All of them. points: (n, SIDE, SIDE), column by column, 0 to 1; digits: (n,)."""

    points: NDArray[np.float32]
    digits: NDArray[np.int64]


class Line(NamedTuple):
    """A text, and of each of its digits the number of its picture and how many empty columns follow it."""

    text: str
    pictures: list[int]
    gaps: list[int]


def read_pictures(path: Path) -> Pictures:
    """The pictures of a packed table with one a line: its points, row by row, and then its digit."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",")
    points = (table[:, :-1] / _MOST).astype(np.float32).reshape(-1, SIDE, SIDE).transpose(0, 2, 1)
    return Pictures(points, table[:, -1].astype(np.int64))


def random_texts(split: str) -> Iterator[str]:
    """Digits of the lines of a split, each digit and each length as likely as the others."""
    rng = random.Random(f"texts of {split}")
    for _ in range(PARTS[split].lines):
        yield "".join(rng.choices("0123456789", k=rng.randint(SHORTEST, LONGEST)))


def days() -> tuple[list[str], list[str]]:
    """The days of a century as YYYYMMDD, shuffled: those to learn from, and those that are held out."""
    found = [(FIRST_DAY + timedelta(number)).strftime("%Y%m%d") for number in range(DAYS)]
    random.Random("days").shuffle(found)
    return found[HELD_OUT_DAYS:], found[:HELD_OUT_DAYS]


def lines_of(texts: Iterable[str], digits: NDArray[np.int64], split: str, seed: str) -> Iterator[Line]:
    """Lines that say those texts, with pictures of a split; of a digit each is as likely as the others."""
    rng, (begin, end, _) = random.Random(seed), PARTS[split]
    of_digit = {str(digit): [n for n in range(begin, end) if digits[n] == digit] for digit in range(10)}
    for text in texts:
        yield Line(text, [rng.choice(of_digit[each]) for each in text], [rng.randint(0, MOST_GAP) for _ in text])


def frames_of(line: Line, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The columns of a line, (n, SIDE)."""
    empty = np.zeros((MOST_GAP, SIDE), np.float32)
    parts = [(points[picture], empty[:gap]) for picture, gap in zip(line.pictures, line.gaps, strict=True)]
    return np.concatenate([each for part in parts for each in part])


def test_lines(pictures: Pictures) -> list[Line]:
    """The lines of the test split."""
    return list(lines_of(random_texts("test"), pictures.digits, "test", "lines of test"))


def write_lines(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Lists of lines, an .npy file each: of random digits, and as "dates" days that were held out.

    And "text": the other days, one a line. sources: the table of pictures.
    """
    pictures = read_pictures(sources[0])
    learnt, held = days()
    found = {
        split: _written(
            folder / split, lines_of(random_texts(split), pictures.digits, split, f"lines of {split}"), pictures.points
        )
        for split in PARTS
    }
    dates = _written(folder / "dates", lines_of(held, pictures.digits, "test", "dates"), pictures.points)
    text = folder / "days.txt"
    text.write_text("".join(f"{day}\n" for day in learnt), "ascii", newline="\n")
    return {"": found, "dates": {"test": dates}, "text": {"train": text}}


def _written(folder: Path, lines: Iterable[Line], points: NDArray[np.float32]) -> Path:
    """Write a folder of lines and the list of them."""
    folder.mkdir()
    listed = folder.with_suffix(".jsonl")
    with listed.open("w", encoding="ascii", newline="\n") as out:
        for number, line in enumerate(lines):
            name = f"{folder.name}/{number:05}.npy"
            np.save(folder.parent / name, frames_of(line, points))
            out.write(json.dumps({"frames": name, "text": line.text}) + "\n")
    return listed


def nearest_digits(pictures: Pictures, asked: Iterable[int]) -> dict[int, int]:
    """Of those pictures what the nearest one of the train split shows, by squared distance, the first of several."""
    begin, end, _ = PARTS["train"]
    known = pictures.points[begin:end].reshape(end - begin, -1)
    found = {}
    for number in sorted(set(asked)):
        nearest = np.square(known - pictures.points[number].reshape(-1)).sum(axis=1).argmin()
        found[number] = int(pictures.digits[begin + nearest])
    return found


def nearest_scores(sources: Sequence[Path]) -> Mapping[str, float]:
    """How the nearest pictures read the test lines, told where each digit begins and ends."""
    pictures = read_pictures(sources[0])
    lines = test_lines(pictures)
    said = nearest_digits(pictures, (number for line in lines for number in line.pictures))
    wrong = [
        sum(str(said[number]) != digit for digit, number in zip(line.text, line.pictures, strict=True))
        for line in lines
    ]
    return {
        "cer": sum(wrong) / sum(len(line.text) for line in lines),
        "exact": sum(not errors for errors in wrong) / len(lines),
    }
