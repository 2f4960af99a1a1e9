"""`prepare` over a corpus of texts, series, labels, pairs or frames: the old file or the new one, nothing else."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faults.cases import Context, Outcome, Scenario
from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.options import frame_options
from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.prepare import prepare
from gpurnn.data.prepare_frames import prepare_frames
from gpurnn.data.prepare_labelled import prepare_labelled
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series import rows
from gpurnn.data.series.options import series_options
from gpurnn.exceptions import DataError

OLD, NEW = "old text. " * 40, "the new text is another one.\n" * 9000


def _scenario(
    write: Callable[[Path, str], Path], make: Callable[..., Any], *options: Any, old: int, new: int
) -> Scenario:
    """write: the file that the old corpus is made of, or the new one. make: makes it, with options behind its place.

    old, new: how many steps there are in each.
    """

    def begin(folder: Path) -> None:
        write(folder, "new")
        make([write(folder, "old")], folder / "corpus.h5", *options)

    def replace(folder: Path) -> None:
        make([next(folder.glob("new.*"))], folder / "corpus.h5", *options, force=True)

    def work(folder: Path, context: Context) -> None:
        rows.RUN_BYTES = 4096
        try:
            replace(folder)
        except OSError as error:  # the command turns it into a line in the same way
            raise DataError(f"{error.filename}: {error.strerror}") from None
        context.mark("new")

    def check(folder: Path, outcome: Outcome) -> None:
        _expect(folder, outcome, new, old)
        replace(folder)
        _expect_swept(folder)

    return Scenario(begin, work, check)


def _text(folder: Path, name: str) -> Path:
    file = folder / f"{name}.txt.gz"
    file.write_bytes(gzip.compress((OLD if name == "old" else NEW).encode(), mtime=0))
    return file


def _table(folder: Path, name: str) -> Path:
    """A table of two series; the new one in an order that has to be sorted on the disk."""
    hours = range(30 if name == "old" else 600)
    days = [f"2013-01-{1 + hour // 24:02}T{hour % 24:02}:00,{key},{hour * 0.5}" for key in "ba" for hour in hours]
    file = folder / f"{name}.csv"
    file.write_text("\n".join(["time,key,a", *(days if name == "old" else reversed(days)), ""]))
    return file


def _posts(folder: Path, name: str) -> Path:
    """Texts, each with one of two labels and ten characters."""
    file = folder / f"{name}.tsv"
    file.write_text("".join(f"{'ab'[i % 2]}\ttext {i:05}\n" for i in range(40 if name == "old" else 20_000)))
    return file


def _pairs(folder: Path, name: str) -> Path:
    """Pairs, each with ten characters and two words."""
    file = folder / f"{name}.tsv"
    file.write_text("".join(f"text {i:05}\ttarget {i % 7}\n" for i in range(40 if name == "old" else 6_000)))
    return file


def _frames(folder: Path, name: str) -> Path:
    """Lists of arrays of 500 frames."""
    numbers = range(2 if name == "old" else 40)
    for number in numbers:
        np.save(folder / f"{number}.npy", np.full((500, 8), number, "<f4"))
    file = folder / f"{name}.tsv"
    file.write_text("".join(f"{number}.npy\ttext {number}\n" for number in numbers))
    return file


def _expect(folder: Path, outcome: Outcome, new: int, old: int) -> None:
    """A corpus of so many steps, the new or the old one, and nothing beside it."""
    with Corpus.open(folder / "corpus.h5") as corpus:
        corpus.verify()
        steps = sum(corpus.splits.values())
    assert steps in ((new,) if outcome.marks else (old, new)), f"found {steps} steps"
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    cleaned = outcome.ending != "killed" and outcome.fired <= 1  # a disk that goes on failing cannot be tidied up
    assert not left or not cleaned, f"left behind: {left}"


def _expect_swept(folder: Path) -> None:
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not left, f"left by one that was killed, and not swept: {left}"


OVER = _scenario(_text, prepare, old=len(OLD), new=len(NEW))
SERIES = _scenario(_table, prepare_series, series_options(time="time", key="key", clock=True), old=2 * 30, new=2 * 600)
LABELLED = _scenario(_posts, prepare_labelled, labelled_options("labels", target="first"), old=400, new=200_000)
PAIRED = _scenario(_pairs, prepare_pairs, pair_options("pairs", target_tokens="words"), old=80, new=12_000)
FRAMED = _scenario(_frames, prepare_frames, frame_options(), old=1_000, new=20_000)
