"""`prepare` over an existing corpus: the old file or the new one, and nothing beside it."""

import gzip
from pathlib import Path

from faults.cases import Context, Outcome, Scenario
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
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


def _check(folder: Path, outcome: Outcome) -> None:
    with Corpus.open(folder / "corpus.h5") as corpus:
        corpus.verify()
        tokens = sum(corpus.splits.values())
    assert tokens in ((len(NEW),) if outcome.marks else (len(OLD), len(NEW))), f"found {tokens} tokens"
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    cleaned = outcome.ending != "killed" and outcome.fired <= 1  # a disk that goes on failing cannot be tidied up
    assert not left or not cleaned, f"left behind: {left}"
    prepare([folder / "new.txt.gz"], folder / "corpus.h5", force=True)
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert not left, f"left by one that was killed, and not swept: {left}"


OVER = Scenario(_prepare, _work, _check)
