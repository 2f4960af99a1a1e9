"""The sequences of a split one by one, against what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import sequences
from gpurnn.data.stream.filling import filled
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.exceptions import DataError
from tests.corpora import series
from tests.sequences import some_lengths, told


@pytest.mark.parametrize("kind", ["labels", "tags"])
@pytest.mark.parametrize("of", ["symbols", "reals"])
@pytest.mark.parametrize(("steps", "at_once"), [(1 << 16, 1 << 13), (20, 7), (1, 3), (50, 1)])
def test_each_comes_with_its_targets(
    tmp_path: Path, kind: str, of: str, steps: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "_STEPS", steps)
    monkeypatch.setattr(sequences, "_SEQUENCES", at_once)
    what = told(tmp_path / "a.h5", kind, of, [*some_lengths(30, 9), 70, 1])
    columns = what.corpus.columns if of == "reals" else None
    found = list(sequences_of(what.corpus.split("train"), columns))
    assert len(found) == 32
    for (values, targets), inputs, expected in zip(found, what.inputs, what.targets, strict=True):
        assert values.dtype == (np.int32 if of == "symbols" else np.float32)
        np.testing.assert_allclose(values, inputs, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(targets, expected)
        assert isinstance(targets, int) if kind == "labels" else targets.dtype == np.int32


def test_no_more_is_read_than_what_is_handed_on_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_STEPS", 40)
    what = told(tmp_path / "a.h5", "tags", "symbols", [20, 20, 1, 90, 5, 5])
    split = what.corpus.split("train")
    asked: list[tuple[int, int]] = []
    read = split.read
    monkeypatch.setattr(split, "read", lambda start, out: (asked.append((start, len(out))), read(start, out)))
    for _ in sequences_of(split):
        pass
    assert asked == [(0, 40), (40, 1), (41, 90), (131, 10)]


def test_an_empty_split_has_none_and_other_corpora_are_refused(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", [3, 4])
    assert not list(sequences_of(what.corpus.split("valid")))
    series().write(tmp_path / "b.h5")
    with Corpus.open(tmp_path / "b.h5") as other, pytest.raises(DataError, match=r"b\.h5: it holds .*, no labels"):
        next(sequences_of(other.split("train"), other.columns))


@pytest.mark.parametrize("seed", range(6))
def test_lanes_are_filled_first_fit_the_longest_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 40))
    lengths = rng.integers(1, steps, int(rng.integers(1, 300)), endpoint=True)
    room: list[int] = []
    expected = {}
    for number in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        lane = next((i for i, left in enumerate(room) if left >= lengths[number]), len(room))
        if lane == len(room):
            room.append(steps)
        expected[number] = lane, steps - room[lane]
        room[lane] -= lengths[number]
    found = filled(lengths, steps)
    assert found.lanes == len(room)
    assert dict(enumerate(zip(found.lane.tolist(), found.begin.tolist(), strict=True))) == expected
