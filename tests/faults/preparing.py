"""`prepare` over a corpus of texts, series, labels, pairs or frames: the old file or the new one, nothing else."""

import gzip
from pathlib import Path

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


def _prepare(folder: Path) -> None:
    for name, text in (("old", OLD), ("new", NEW)):
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    prepare([folder / "old.txt.gz"], folder / "corpus.h5")


def _work(folder: Path, context: Context) -> None:
    try:
        prepare([folder / "new.txt.gz"], folder / "corpus.h5", force=True)
    except OSError as error:  # the command turns it into a line in the same way
        raise DataError(f"{error.filename}: {error.strerror}") from None
    context.mark("new")


def _table(hours: int, turned: bool) -> str:
    """A table of two series; turned: in an order that has to be sorted on the disk."""
    days = [
        f"2013-01-{1 + hour // 24:02}T{hour % 24:02}:00,{key},{hour * 0.5}" for key in "ba" for hour in range(hours)
    ]
    return "\n".join(["time,key,a", *(reversed(days) if turned else days), ""])


def _prepare_series(folder: Path) -> None:
    for name, hours in (("old", 30), ("new", 600)):
        (folder / f"{name}.csv").write_text(_table(hours, name == "new"))
    prepare_series([folder / "old.csv"], folder / "corpus.h5", _SERIES)


def _work_series(folder: Path, context: Context) -> None:
    rows.RUN_BYTES = 4096
    try:
        prepare_series([folder / "new.csv"], folder / "corpus.h5", _SERIES, force=True)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    context.mark("new")


def _check_series(folder: Path, outcome: Outcome) -> None:
    _expect(folder, outcome, 1200, 60)
    prepare_series([folder / "new.csv"], folder / "corpus.h5", _SERIES, force=True)
    _expect_swept(folder)


def _posts(folder: Path, name: str, count: int) -> None:
    """So many texts, each with one of two labels and ten characters."""
    (folder / f"{name}.tsv").write_text("".join(f"{'ab'[i % 2]}\ttext {i:05}\n" for i in range(count)))


def _prepare_labelled(folder: Path) -> None:
    _posts(folder, "old", 40)
    _posts(folder, "new", 20_000)
    prepare_labelled([folder / "old.tsv"], folder / "corpus.h5", _LABELLED)


def _work_labelled(folder: Path, context: Context) -> None:
    try:
        prepare_labelled([folder / "new.tsv"], folder / "corpus.h5", _LABELLED, force=True)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    context.mark("new")


def _check_labelled(folder: Path, outcome: Outcome) -> None:
    _expect(folder, outcome, 200_000, 400)
    prepare_labelled([folder / "new.tsv"], folder / "corpus.h5", _LABELLED, force=True)
    _expect_swept(folder)


def _pairs(folder: Path, name: str, count: int) -> None:
    """So many pairs, each with ten characters and two words."""
    (folder / f"{name}.tsv").write_text("".join(f"text {i:05}\ttarget {i % 7}\n" for i in range(count)))


def _prepare_paired(folder: Path) -> None:
    _pairs(folder, "old", 40)
    _pairs(folder, "new", 6_000)
    prepare_pairs([folder / "old.tsv"], folder / "corpus.h5", _PAIRED)


def _work_paired(folder: Path, context: Context) -> None:
    try:
        prepare_pairs([folder / "new.tsv"], folder / "corpus.h5", _PAIRED, force=True)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    context.mark("new")


def _check_paired(folder: Path, outcome: Outcome) -> None:
    _expect(folder, outcome, 12_000, 80)
    prepare_pairs([folder / "new.tsv"], folder / "corpus.h5", _PAIRED, force=True)
    _expect_swept(folder)


def _prepare_framed(folder: Path) -> None:
    """Lists of two and of forty arrays of 500 frames."""
    for number in range(40):
        np.save(folder / f"{number}.npy", np.full((500, 8), number, "<f4"))
    for name, count in (("old", 2), ("new", 40)):
        (folder / f"{name}.tsv").write_text("".join(f"{number}.npy\ttext {number}\n" for number in range(count)))
    prepare_frames([folder / "old.tsv"], folder / "corpus.h5", _FRAMED)


def _work_framed(folder: Path, context: Context) -> None:
    try:
        prepare_frames([folder / "new.tsv"], folder / "corpus.h5", _FRAMED, force=True)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    context.mark("new")


def _check_framed(folder: Path, outcome: Outcome) -> None:
    _expect(folder, outcome, 20_000, 1_000)
    prepare_frames([folder / "new.tsv"], folder / "corpus.h5", _FRAMED, force=True)
    _expect_swept(folder)


def _check(folder: Path, outcome: Outcome) -> None:
    _expect(folder, outcome, len(NEW), len(OLD))
    prepare([folder / "new.txt.gz"], folder / "corpus.h5", force=True)
    _expect_swept(folder)


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


_SERIES = series_options(time="time", key="key", clock=True)
_LABELLED = labelled_options("labels", target="first")
_PAIRED = pair_options("pairs", target_tokens="words")
_FRAMED = frame_options()
OVER = Scenario(_prepare, _work, _check)
SERIES = Scenario(_prepare_series, _work_series, _check_series)
LABELLED = Scenario(_prepare_labelled, _work_labelled, _check_labelled)
PAIRED = Scenario(_prepare_paired, _work_paired, _check_paired)
FRAMED = Scenario(_prepare_framed, _work_framed, _check_framed)
