"""Lanes that go through captions, against what each number has to be, worked out step by step."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.stream import CaptionLanes, CaptionStream, Window, captionlanes, lanes, values
from gpurnn.data.stream.restarts import Restarts
from gpurnn.exceptions import DataError
from tests.pairs import END, NUMBERS, Paired, captioned, paired, some_pairs

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from network.allocation import check_no_allocation


def through(what: Paired) -> list[tuple[int, int, int, bool]]:
    """Every step of all captions: which caption, what is read, the target, whether it is the first."""
    found = []
    for number, target in enumerate(what.targets):
        symbols = [END, *target.tolist(), END]
        found += [(number, symbols[i], symbols[i + 1], i == 0) for i in range(len(symbols) - 1)]
    return found


def expected_of(what: Paired, offset: int, steps: int, lanes: int, lane: int, most: int) -> dict[str, np.ndarray]:
    """The window from `offset` on of lanes of `lane` steps."""
    every, seen = through(what), dict[tuple[int, int], list[int]]()
    found: dict[str, np.ndarray] = {name: np.zeros((steps, lanes)) for name in ("tokens", "targets", "pair", "carry")}
    found |= {name: np.zeros(most) for name in ("target_first", "target_last", "there")}
    found["vectors"] = np.zeros((most, NUMBERS))
    for b in range(lanes):
        for t in range(steps):
            caption, read, target, first = every[b * lane + offset + t]
            rows = seen.setdefault((b, caption), [])
            rows.append(t * lanes + b)
            found["tokens"][t, b], found["targets"][t, b] = read, target
            found["pair"][t, b] = list(seen).index((b, caption))
            found["carry"][t, b] = not first and (offset > 0 or t > 0)
    for n, ((_, caption), rows) in enumerate(seen.items()):
        found["target_first"][n], found["target_last"][n], found["there"][n] = rows[0], rows[-1], 1
        found["vectors"][n] = what.sources[caption]
    return found


@pytest.mark.parametrize(("count", "lanes_", "steps"), [(1, 1, 5), (9, 1, 7), (23, 3, 4), (23, 4, 11), (12, 5, 3)])
@pytest.mark.parametrize(("held", "prefetch"), [(0, False), (1 << 20, True)])
def test_each_number_of_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, lanes_: int, steps: int, held: int, prefetch: bool
) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    monkeypatch.setattr(captionlanes, "_WINDOWS", 7)
    monkeypatch.setattr(lanes, "_BLOCK_BYTES", 24 * 13 if held else 256 * 1024)
    what = captioned(tmp_path / "a.h5", [n for _, n in some_pairs(count, (1, 9))])
    with CaptionLanes(what.corpus, lanes=lanes_, steps=steps, epochs=2, prefetch=prefetch) as stream:
        geometry, most, indices = stream.geometry, 0, []
        assert geometry.rest == len(through(what)) - geometry.lane * lanes_ < lanes_
        for window in stream.recycled():
            offset, short, _ = geometry.place(window.index % geometry.windows)
            expected = expected_of(what, offset, short, lanes_, geometry.lane, geometry.sequences)
            check(window, expected)
            most = max(most, int(expected["there"].sum()))
            indices.append(window.index)
    assert most == geometry.sequences and indices == list(range(2 * geometry.windows))


def check(window: Window, expected: dict[str, np.ndarray]) -> None:
    assert set(window.fields) == set(expected) - {"carry"}
    for name, array in expected.items():
        np.testing.assert_array_equal(getattr(window, name), array, err_msg=name)
    assert window.uniform and window.weight_sum == window.tokens.size and (window.weight == 1).all()
    assert window.has_boundary == bool((window.carry == 0).any())
    np.testing.assert_array_equal(window.plans["tokens"].order, np.argsort(window.tokens.reshape(-1), kind="stable"))


def test_where_nothing_is_cut_they_hold_what_whole_windows_hold(tmp_path: Path) -> None:
    """Captions of one length: each window holds the same of each as whole ones do, wherever it lies there."""
    what = captioned(tmp_path / "a.h5", [3] * 24)
    streams = (
        CaptionLanes(what.corpus, lanes=3, steps=8, epochs=1),
        CaptionStream(what.corpus, lanes=3, steps=8, epochs=1),
    )
    found = []
    for stream in streams:
        with stream:
            found.append(sorted(each for window in stream for each in sequences_of(window)))
    assert found[0] == found[1] and len(found[0]) == 24


def sequences_of(window: Window) -> list[tuple[bytes, ...]]:
    """The vector, the steps, the carry and the weight of each sequence of a window."""
    count, lanes_ = int(window.there.sum()), window.carry.shape[1]
    found = []
    for n in range(count):
        rows = range(window.target_first[n], window.target_last[n] + 1, lanes_)
        own = [np.array([array.reshape(-1)[row] for row in rows]) for array in (window.tokens, window.targets)]
        assert all(window.pair.reshape(-1)[row] == n for row in rows)
        own += [np.array([array.reshape(-1)[row] for row in rows]) for array in (window.carry, window.weight)]
        found.append(tuple(each.tobytes() for each in (window.vectors[n], *own)))
    return found


def test_a_cursor_goes_on_with_the_same_windows_and_restarts(tmp_path: Path) -> None:
    what = captioned(tmp_path / "a.h5", [n for _, n in some_pairs(60, (1, 9))])
    given = {"lanes": 3, "steps": 12, "seed": 2, "epochs": 2, "restart": 0.5}
    with CaptionLanes(what.corpus, **given) as stream:
        whole = list(stream)
    with CaptionLanes(what.corpus, **given, cursor=whole[4].cursor) as stream:
        rest = list(stream)
    for one, two in zip(rest, whole[5:], strict=True):
        for name in ("carry", "weight", *one.fields):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    draws = Restarts(0.5, 2, 3)
    for window, without in zip(whole, CaptionLanes(what.corpus, **given | {"restart": 0.0}), strict=True):
        first = without.carry[0].copy()
        if window.index % stream.windows_per_epoch:
            draws.cut(window.index, first)
        np.testing.assert_array_equal(window.carry[0], first)
        np.testing.assert_array_equal(window.carry[1:], without.carry[1:])
    with pytest.raises(DataError, match="the cursor is for"):
        CaptionLanes(what.corpus, lanes=2, steps=12, cursor=whole[0].cursor)


def test_nothing_large_is_allocated_for_a_window(tmp_path: Path) -> None:
    what = captioned(tmp_path / "a.h5", [n for _, n in some_pairs(6_000, (1, 6))])
    with CaptionLanes(what.corpus, lanes=112, steps=16, prefetch=False) as stream:
        windows = stream.recycled()
        check_no_allocation({"window": lambda: [next(windows)].clear()}, warm=3, windows=8, limit=8000)
        assert stream.windows_per_epoch > 11, "all of one epoch"


def test_what_has_no_such_windows(tmp_path: Path) -> None:
    captions = captioned(tmp_path / "a.h5", [5, 33])
    with pytest.raises(DataError, match=r"split train: a window of 30 steps is longer than a lane, which has 20 of 40"):
        CaptionLanes(captions.corpus, lanes=2, steps=30)
    with pytest.raises(DataError, match="split valid has no sequences"):
        CaptionLanes(captions.corpus, "valid", lanes=2, steps=30)
    with pytest.raises(DataError, match="it holds pairs of texts, no captions"):
        CaptionLanes(paired(tmp_path / "p.h5", [(3, 4)]).corpus, lanes=1, steps=2)
