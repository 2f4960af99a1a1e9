"""Windows at any places of a split: what a stream over the whole split has there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from corpora import EVERY
from trained import documents, make_corpus

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import WindowStream
from gpurnn.data.stream.labelled import ThroughStream
from gpurnn.data.stream.places import LabelledPlaces, Places
from gpurnn.exceptions import DataError
from tests.sequences import LABELS, told


def expect_as_streamed(places: Places, stream: WindowStream, starts: list[int], steps: int) -> None:
    """Its one window of one lane holds the whole split."""
    with closing(stream):
        whole = next(stream)
    found = places.window(np.array(starts), steps)
    for lane, start in enumerate(starts):
        for name in ("carry", "weight", *whole.fields):
            array, expected = getattr(found, name)[:, lane], getattr(whole, name)[start : start + steps, 0]
            np.testing.assert_array_equal(array, expected, name)
    assert found.weight_sum == found.weight.sum()
    assert found.has_boundary == bool((found.carry == 0).any())


def test_text(tmp_path: Path):
    with Corpus.open(make_corpus(tmp_path / "t.h5", documents(30))) as corpus:
        split = corpus.split("train")
        places = Places(split)
        assert places.count == len(split) - 1
        stream = WindowStream(corpus, "train", lanes=1, steps=places.count, plan=False)
        expect_as_streamed(places, stream, [0, 17, 5, places.count - 20], 20)
        with pytest.raises(DataError, match=r"split train has 1,421 targets, too few for 20 steps"):
            places.window(np.array([places.count - 19]), 20)


def test_series(tmp_path: Path):
    EVERY["series"]().write(tmp_path / "s.h5")
    with Corpus.open(tmp_path / "s.h5") as corpus:
        forecast = Forecast(corpus.columns, ("temp",), ("2h",))
        places = Places(corpus.split("train"), forecast, burn_in=1)
        assert places.count == 38, "of the last two rows nothing is known that lies 2 h ahead"
        stream = WindowStream(corpus, "train", lanes=1, steps=40, plan=False, forecast=forecast)
        with closing(stream):
            whole = next(stream)
        found = places.window(np.array([3, 28]), 10)
        for lane, start in enumerate((3, 28)):
            for name in ("carry", "reals", "targets"):
                expected = getattr(whole, name)[start : start + 10, 0]
                np.testing.assert_array_equal(getattr(found, name)[:, lane], expected)


@pytest.mark.parametrize("of", ["symbols", "reals"])
@pytest.mark.parametrize("kind", ["tags", "labels"])
def test_labels_and_tags(tmp_path: Path, kind: str, of: str):
    lengths = [7, 1, 20, 12]
    corpus = told(tmp_path / "l.h5", kind, of, lengths).corpus
    weights = np.array([1, 0.5, 0, 2, 1], np.float32)
    split = corpus.split("train")
    places = LabelledPlaces(split, len(LABELS), corpus.columns if of == "reals" else None, weights)
    assert places.count == 40
    stream = ThroughStream(corpus, lanes=1, steps=40, plan=False, weights=weights)
    expect_as_streamed(places, stream, [0, 17, 5, 20], 20)
    if kind == "tags":
        assert places.ends is None
    else:
        np.testing.assert_array_equal(places.ends, np.cumsum(lengths) - 1)
