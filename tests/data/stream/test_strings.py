"""Windows of frames with strings of labels, against what each number has to be, worked out sequence by sequence."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import StringStream, values
from gpurnn.data.stream import strings as module
from gpurnn.data.stream.sequences import strings_of
from gpurnn.data.stream.strings import Strings
from gpurnn.exceptions import CorpusError, DataError, UsageError
from tests.corpora import frames, tags_of_reals
from tests.frames import LETTERS, WIDTH, Framed, framed, needed, write_lines

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from network.allocation import check_no_allocation

BLANK = len(LETTERS)


def some(path: Path, count: int = 40, longest: int = 9) -> Framed:
    draw = np.random.default_rng(3)
    labels = draw.integers(1, longest, count, endpoint=True)
    return framed(path, [(int(m + draw.integers(0, 8)), int(m)) for m in labels])


def lines(path: Path, texts: list[str], lengths: list[int]) -> Framed:
    """Nobody asks whether they fit."""
    frames_ = [np.random.default_rng(n).normal(size=(n, WIDTH)) for n in lengths]
    return write_lines(path, {"train": list(zip(frames_, texts, strict=True))}, letters=LETTERS)["train"]


def steps_for(what: Framed) -> int:
    return max(map(len, what.frames))


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(("lanes", "more", "prefetch"), [(1, 0, False), (3, 0, True), (4, 23, False), (60, 0, False)])
def test_each_number_of_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanes: int, more: int, prefetch: bool, held: bool
) -> None:
    if not held:
        monkeypatch.setattr(values, "_HELD_BYTES", 0)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    what = some(tmp_path / "a.h5")
    steps = steps_for(what) + more
    counted = np.zeros((2, len(what.frames)), int)
    with StringStream(what.corpus, lanes=lanes, steps=steps, seed=5, epochs=2, prefetch=prefetch) as stream:
        what.corpus.close()
        assert stream.geometry.labels == stream.geometry.sizes.longest == max(map(len, what.strings))
        for window in stream:
            place = stream.place(window)
            reals, targets = np.zeros((steps, lanes, WIDTH)), np.full((steps, lanes), BLANK)
            carry, weight = np.zeros((2, steps, lanes))
            for lane in range(lanes):
                column = place.sequence[:, lane]
                for begin in np.flatnonzero((column >= 0) & (place.step[:, lane] == 0)).tolist():
                    number = int(column[begin])
                    frames_, string = what.frames[number], what.strings[number]
                    end = begin + len(frames_)
                    assert (column[begin:end] == number).all()
                    reals[begin:end, lane] = frames_
                    carry[begin + 1 : end, lane] = 1
                    targets[begin : begin + len(string), lane] = string
                    weight[begin : begin + len(string), lane] = 1
                    counted[window.epoch, number] += 1
            np.testing.assert_array_equal(window.reals, reals.astype(np.float32))
            np.testing.assert_array_equal(window.targets, targets)
            np.testing.assert_array_equal(window.carry, carry)
            np.testing.assert_array_equal(window.weight, weight)
            assert window.weight_sum == weight.sum()
            assert window.has_boundary
    assert (counted == 1).all()


def test_it_goes_on_at_a_cursor(tmp_path: Path) -> None:
    what = some(tmp_path / "a.h5")
    geometry = {"lanes": 2, "steps": steps_for(what), "seed": 9, "epochs": 3}
    with StringStream(what.corpus, **geometry, prefetch=False) as stream:
        every = list(stream)
    assert any((a.targets != b.targets).any() for a, b in zip(every, every[stream.windows_per_epoch :], strict=False))
    with StringStream(what.corpus, **geometry, cursor=every[4].cursor) as stream:
        rest = list(stream)
    assert [each.index for each in rest] == list(range(5, len(every)))
    for mine, theirs in zip(rest, every[5:], strict=True):
        for name in ("reals", "targets", "carry", "weight"):
            assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes()
    with pytest.raises(DataError, match=r"the cursor is for .* go on with the same"):
        StringStream(what.corpus, **geometry | {"lanes": 3}, cursor=every[4].cursor)


def test_other_columns_scale_otherwise(tmp_path: Path) -> None:
    what = lines(tmp_path / "a.h5", ["a"], [3])
    twice = replace(what.corpus.columns, scale=what.corpus.columns.scale * 2)
    with StringStream(what.corpus, lanes=1, steps=3, columns=twice, prefetch=False) as stream:
        np.testing.assert_array_equal(next(stream).reals[:, 0], what.frames[0] / 2)


@pytest.mark.parametrize("held", [0, 1 << 30])
def test_nothing_large_is_allocated_for_a_window(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    what = some(tmp_path / "a.h5", count=2500, longest=50)
    with StringStream(what.corpus, lanes=32, steps=steps_for(what), prefetch=False) as stream:
        windows = stream.recycled()
        check_no_allocation({"window": lambda: [next(windows)].clear()}, warm=3)
        assert stream.windows_per_epoch > 19, "all of one epoch"


@pytest.mark.parametrize(
    ("texts", "lengths", "message"),
    [
        (["a", "bbc"], [1, 3], "sequence 1 (the first is 0) has 3 labels, which need 4 frames, and 3 frames"),
        (["aa", "aa"], [3, 2], "sequence 1 (the first is 0) has 2 labels, which need 3 frames, and 2 frames"),
        (["ab", "ba", "ccccc"], [2, 2, 8], "sequence 2 (the first is 0) has 5 labels, which need 9 frames, and 8"),
        (["a", "", "b"], [1, 4, 1], "sequence 1 (the first is 0) has no label; prepare the corpus again"),
    ],
)
def test_strings_that_do_not_fit_their_frames_are_refused(
    tmp_path: Path, texts: list[str], lengths: list[int], message: str
) -> None:
    what = lines(tmp_path / "a.h5", texts, lengths)
    with pytest.raises(CorpusError) as error:
        StringStream(what.corpus, lanes=1, steps=9)
    assert f", split train: {message}" in str(error.value)


@pytest.mark.parametrize("at_once", [1, 2, 8192])
def test_neighbours_that_are_equal_are_counted_in_their_own_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    texts = ["a", "aaa", "a", "abba", "ab"]
    what = lines(tmp_path / "a.h5", texts, [needed(each) for each in texts])
    assert Strings(what.corpus.split("train")).longest == 4


def test_what_has_no_strings_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    tags_of_reals().write(tmp_path / "tags.h5")
    with (
        Corpus.open(tmp_path / "tags.h5") as corpus,
        pytest.raises(DataError, match="it holds sequences with a tag a step, no strings of labels"),
    ):
        StringStream(corpus, lanes=1, steps=5)
    what = lines(tmp_path / "a.h5", ["a", "b"], [3, 17])
    with pytest.raises(
        DataError, match=r"sequence 1 .* has 17 steps, a window only 16; use `bptt=32`, or leave longer"
    ):
        StringStream(what.corpus, lanes=1, steps=16)
    with pytest.raises(DataError, match="split valid has no sequences"):
        StringStream(what.corpus, "valid", lanes=1, steps=16)
    with pytest.raises(UsageError, match="lanes"):
        StringStream(what.corpus, lanes=0, steps=17)


def test_sequences_one_by_one(tmp_path: Path) -> None:
    what = some(tmp_path / "a.h5")
    found = list(strings_of(what.corpus.split("train"), what.corpus.columns))
    assert len(found) == len(what.frames)
    for (mine, string), theirs, labels in zip(found, what.frames, what.strings, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(string, labels)
        assert string.dtype == np.int32
    frames().write(tmp_path / "b.h5")
    with Corpus.open(tmp_path / "b.h5") as corpus:
        assert [labels.tolist() for _, labels in strings_of(corpus.split("train"), corpus.columns)] == [
            [0, 2],
            [1],
            [1, 1],
        ]
