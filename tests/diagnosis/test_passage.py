"""What a passage and the dearest pairs show of the symbols of a text."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained import make_corpus, make_run

from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.diagnosis.doctor import diagnose
from gpurnn.diagnosis.report import Report

TEXT = "für na\u00efve \x01 \x1b[2J </b> \U0001f600.\n" * 80


def looked_at(path: Path, tokens: str) -> Report:
    corpus = make_corpus(path / "made.h5", [TEXT], split=(0.5, 0.5, 0), tokens=tokens)
    return diagnose(make_run(backend.get("cpu"), corpus, path / "run", windows=2), backend.get("cpu"), seconds=30)


@pytest.mark.parametrize("tokens", ["bytes", "chars", "words"])
def test_each_symbol_can_be_told_from_the_others(tmp_path: Path, tokens: str):
    """A byte is shown by itself, whatever comes beside it; put together they are the text."""
    numbers = looked_at(tmp_path, tokens).panels["text"].numbers
    with Corpus.open(tmp_path / "made.h5") as corpus:
        symbols = corpus.vocabulary.symbols
    seen = {symbol for pair in numbers["pairs"] for symbol in pair[:2]} | {s.strip() for s in numbers["passage"]}
    assert not any("\ufffd" in symbol for symbol in seen)
    if tokens == "bytes":
        there = [bytes([byte]).decode("ascii", "backslashreplace") for byte in TEXT.encode()]
        assert len(set(there)) == len(symbols)
        assert "".join(numbers["passage"]) in "".join(there)
        assert {"\\xc3", "\\xbc", "\\xf0"} < set(numbers["passage"])
    if tokens == "chars":
        assert "".join(numbers["passage"]) in TEXT
