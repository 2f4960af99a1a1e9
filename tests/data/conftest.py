"""Corpora for the tests of the data room."""

from pathlib import Path

import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare

SHAKESPEARE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tinyshakespeare.txt"


@pytest.fixture
def shakespeare():
    if not SHAKESPEARE.exists():
        pytest.skip("tinyshakespeare.txt is not beside the checkout (../shared/data)")
    return SHAKESPEARE


@pytest.fixture
def make_corpus(tmp_path):
    """make_corpus([document, ...], **options of prepare): an open corpus, each document's text as it is."""
    opened = []

    def make(documents, name="made", separator="\x00", **options):
        text, path = tmp_path / f"{name}.txt", tmp_path / f"{name}.h5"
        text.write_text(separator.join(documents), encoding="utf-8", newline="")
        options.setdefault("split", (1, 0, 0))
        options.setdefault("policy", {} if options.get("tokens") == "bytes" else {"newline": "keep"})
        prepare([text], path, document_separator=separator, force=True, **options)
        opened.append(Corpus.open(path))
        return opened[-1]

    yield make
    for corpus in opened:
        corpus.close()
