"""Windows of pairs and captions, against what each number has to be, worked out pair by pair."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import CaptionStream, PairStream, Window, sequences, values
from gpurnn.data.stream.packing import Side, dealt, packed
from gpurnn.data.stream.pairs import Extent, longest_of, pair_geometry
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.exceptions import CorpusError, DataError, UsageError
from tests.corpora import tags_of_symbols
from tests.pairs import END, LETTERS, NUMBERS, Paired, captioned, paired, some_pairs

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from network.allocation import check_no_allocation

Stream = PairStream | CaptionStream


def corpus_of(path: Path, kind: str, lengths: list[tuple[int, int]]) -> Paired:
    return paired(path, lengths) if kind == "pairs" else captioned(path, [n for _, n in lengths])


def stream_of(what: Paired, **more: Any) -> Stream:
    if what.corpus.kind == "pairs":
        return PairStream(what.corpus, **more)
    more.pop("source_steps", None)
    return CaptionStream(what.corpus, **more)


def expected_of(
    what: Paired, sequences_: list[int], targets: list[int], sources: list[int] | None, sizes: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """A window of these pairs, whose sides begin at these places: lane * steps + step. sizes: B, T, S, N."""
    lanes, steps, source_steps, most, _ = sizes
    found: dict[str, np.ndarray] = {
        name: np.zeros((steps, lanes)) for name in ("tokens", "targets", "pair", "carry", "weight")
    }
    found |= {name: np.zeros(most) for name in ("target_first", "target_last", "there")}
    for n, (pair, place) in enumerate(zip(sequences_, targets, strict=True)):
        lane, begin = divmod(place, steps)
        target = [*what.targets[pair].tolist(), END]
        read = [END, *target[:-1]]
        for i in range(len(target)):
            at = begin + i, lane
            assert found["weight"][at] == 0, "two pairs at one step"
            found["tokens"][at], found["targets"][at], found["pair"][at] = read[i], target[i], n
            found["carry"][at], found["weight"][at] = i > 0, 1
        found["target_first"][n] = begin * lanes + lane
        found["target_last"][n] = (begin + len(target) - 1) * lanes + lane
        found["there"][n] = 1
    if sources is None:
        found["vectors"] = np.zeros((most, NUMBERS))
        for n, pair in enumerate(sequences_):
            found["vectors"][n] = what.sources[pair]
        return found
    found |= {name: np.zeros((source_steps, lanes)) for name in ("source", "source_carry")}
    found |= {name: np.zeros(most) for name in ("source_first", "source_last")}
    for n, (pair, place) in enumerate(zip(sequences_, sources, strict=True)):
        lane, begin = divmod(place, source_steps)
        assert lane == targets[n] // steps, "both sides lie in one lane"
        for i, symbol in enumerate(what.sources[pair].tolist()):
            found["source"][begin + i, lane], found["source_carry"][begin + i, lane] = symbol, i > 0
        found["source_first"][n] = begin * lanes + lane
        found["source_last"][n] = (begin + len(what.sources[pair]) - 1) * lanes + lane
    return found


def check(window: Window, expected: dict[str, np.ndarray]) -> None:
    assert set(window.fields) == set(expected) - {"carry", "weight"}
    for name, array in expected.items():
        np.testing.assert_array_equal(getattr(window, name), array, err_msg=name)
    assert window.weight_sum == expected["weight"].sum() and window.has_boundary
    assert window.uniform == (expected["weight"] == 1).all()
    assert set(window.plans) == {"tokens", "source"} & set(expected)
    for name, plan in window.plans.items():
        flat = window.fields[name].reshape(-1)
        np.testing.assert_array_equal(plan.order, np.argsort(flat, kind="stable"))
        np.testing.assert_array_equal(plan.rows, np.unique(flat))


@pytest.mark.parametrize("kind", ["pairs", "captions"])
@pytest.mark.parametrize(
    ("lanes", "steps", "source_steps", "count"), [(1, 10, 9, 20), (3, 10, 14, 40), (4, 21, 9, 41), (5, 10, 9, 2)]
)
@pytest.mark.parametrize(("held", "prefetch"), [(0, False), (1 << 20, True)])
def test_each_number_of_a_window(
    tmp_path: Path,
    kind: str,
    lanes: int,
    steps: int,
    source_steps: int,
    count: int,
    held: int,
    prefetch: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    lengths, seed = some_pairs(count, (9, 9)), 5
    what = corpus_of(tmp_path / "a.h5", kind, lengths)
    sides = [Side(np.array([n + 1 for _, n in lengths]), steps)]
    if kind == "pairs":
        sides.append(Side(np.array([n for n, _ in lengths]), source_steps))
    packing = packed(sides, seed)
    geometry = {"lanes": lanes, "steps": steps, "source_steps": source_steps}
    stream = stream_of(what, **geometry, seed=seed, epochs=3, prefetch=prefetch)
    what.corpus.close()
    sizes = stream.geometry.sizes
    assert sizes[:3] == (lanes, steps, source_steps if kind == "pairs" else 0)
    seen = np.zeros((3, count), int)
    with stream:
        assert stream.fields == stream_of(what_again(tmp_path, kind), **geometry, seed=seed, prefetch=False).fields
        for window in stream.recycled():
            epoch, number = divmod(window.index, stream.windows_per_epoch)
            deals = dealt(packing, lanes, epoch)
            part = slice(deals[0].first[number], deals[0].first[number + 1])
            there = deals[0].sequences[part].tolist()
            places = [deal.places[part].tolist() for deal in deals]
            check(window, expected_of(what, there, places[0], places[1] if kind == "pairs" else None, sizes))
            assert window.epoch == epoch
            np.add.at(seen[epoch], there, 1)
            place = stream.place(window)
            np.testing.assert_array_equal(place.sequence >= 0, window.weight > 0)
            counted = window.weight > 0
            np.testing.assert_array_equal(np.array(there)[window.pair[counted]], place.sequence[counted])
    assert (seen == 1).all()
    assert what.corpus.targets("train") == sum(n + 1 for _, n in lengths) and what.corpus.targets("test") == 0


@pytest.mark.parametrize("longest", [65_534, 65_535, 65_536, 70_000])
def test_long_pairs(tmp_path: Path, longest: int) -> None:
    what = paired(tmp_path / "a.h5", [(longest, longest)])
    with PairStream(what.corpus, lanes=1, steps=longest + 1, source_steps=longest + 3, prefetch=False) as stream:
        check(next(stream), expected_of(what, [0], [0], [0], stream.geometry.sizes))
    with pytest.raises(DataError, match=f"has {longest:,} steps, a window only {longest - 1:,};"):
        PairStream(what.corpus, lanes=1, steps=longest + 1, source_steps=longest - 1)


def what_again(folder: Path, kind: str) -> Paired:
    return Paired(Corpus.open(folder / "a.h5"), [], [])


@pytest.mark.parametrize("kind", ["pairs", "captions"])
def test_a_cursor_goes_on_with_the_same_windows(tmp_path: Path, kind: str) -> None:
    what = corpus_of(tmp_path / "a.h5", kind, some_pairs(60, (9, 9)))
    given = {"lanes": 3, "steps": 12, "source_steps": 16, "seed": 2, "epochs": 3}
    with stream_of(what, **given) as stream:
        whole = list(stream)
    for taken in (0, 4, stream.windows_per_epoch - 1, stream.windows_per_epoch, len(whole) - 2):
        with stream_of(what, **given, cursor=whole[taken].cursor) as stream:
            rest = list(stream)
        assert [window.index for window in rest] == list(range(taken + 1, len(whole)))
        for one, two in zip(rest, whole[taken + 1 :], strict=True):
            for name in ("carry", "weight", *one.fields):
                np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    epochs = [[w.tokens for w in whole if w.epoch == epoch] for epoch in range(3)]
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    with pytest.raises(DataError, match="the cursor is for"):
        stream_of(what, lanes=2, steps=12, source_steps=16, cursor=whole[0].cursor)


@pytest.mark.parametrize("kind", ["pairs", "captions"])
@pytest.mark.parametrize("held", [0, 1 << 30])
def test_nothing_large_is_allocated_for_a_window(
    tmp_path: Path, kind: str, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    what = corpus_of(tmp_path / "a.h5", kind, some_pairs(16_000, (9, 12)))
    with stream_of(what, lanes=112, steps=48, source_steps=48, prefetch=False) as stream:
        windows = stream.recycled()
        check_no_allocation({"window": lambda: [next(windows)].clear()}, warm=3, windows=16 if held else 4, limit=8000)
        assert stream.windows_per_epoch > 19, "all of one epoch"
        assert 8 * stream.geometry.sequences > 8000, "so that every array tells"


def test_little_is_left_over_in_the_usual_windows(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    letters = np.clip(np.rint(draw.gamma(11, 8 / 11, 12_000)), 1, 34).astype(int)
    sounds = np.clip(np.rint(0.85 * letters + draw.normal(0, 0.9, len(letters))), 1, 32).astype(int)
    what = paired(tmp_path / "a.h5", list(zip(letters.tolist(), sounds.tolist(), strict=True)))
    lanes, source, target = pair_geometry(*longest_of(what.corpus.split("train")), 32, 64)
    with PairStream(what.corpus, lanes=lanes, steps=target, source_steps=source, prefetch=False) as stream:
        assert (lanes, source, target) == (42, 48, 48)
        assert min(letters.sum(), (sounds + 1).sum()) > 0.9 * stream.windows_per_epoch * 42 * 48
        assert max(int(next(stream).there.sum()) for _ in range(stream.windows_per_epoch)) <= stream.geometry.sequences


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ((9, 900), (9, 900), (128, 16, 16)),
        ((30, 1000), (17, 1000), (64, 32, 32)),
        ((34, 3000), (17, 1000), (21, 96, 32)),
        ((16, 1000), (33, 8000), (16, 16, 128)),
        ((4000, 90_000), (4000, 100_000), (4, 512, 512)),
        ((0, 0), (33, 900), (42, 0, 48)),
    ],
)
def test_windows_have_room_for_the_longest_and_are_full_on_both_sides(
    source: tuple[int, int], target: tuple[int, int], found: tuple[int, ...]
) -> None:
    assert pair_geometry(Extent(*source), Extent(*target), 32, 64) == found


def test_pairs_that_are_too_long_are_named(tmp_path: Path) -> None:
    what = paired(tmp_path / "a.h5", [(3, 4), (20, 3), (2, 16), (1, 1)])
    for sizes, told_so in (
        ((16, 32), "the target of pair 2 (the first is 0) has 17 steps with its end, a window only 16; use `target_"),
        ((17, 19), "the source of pair 1 (the first is 0) has 20 steps, a window only 19; use `bptt=32`, or leave lo"),
    ):
        with pytest.raises(DataError) as error:
            PairStream(what.corpus, lanes=2, steps=sizes[0], source_steps=sizes[1])
        assert str(error.value).startswith(f"{tmp_path / 'a.h5'}, split train: {told_so}")
    captions = captioned(tmp_path / "b.h5", [5, 33])
    with pytest.raises(DataError, match=r"target of pair 1 .* has 34 steps with its end, a window only 33; use `bptt"):
        CaptionStream(captions.corpus, lanes=2, steps=33)


@pytest.mark.parametrize(
    ("settings", "told_so"),
    [
        ({"lanes": 0}, "lanes: expected at least 1, found 0"),
        ({"source_steps": 0}, "source_steps: expected at least 1, found 0"),
        ({"seed": -1}, "seed: expected 0 or more and less than 2**63, found -1"),
        ({"corpus": 3}, "corpus: expected a Corpus, found 3"),
    ],
)
def test_wrong_calls(tmp_path: Path, settings: dict[str, Any], told_so: str) -> None:
    what = paired(tmp_path / "a.h5", [(3, 4)])
    with pytest.raises(UsageError) as error:
        PairStream(**{"corpus": what.corpus, "lanes": 2, "steps": 16, "source_steps": 16} | settings)
    assert str(error.value) == told_so


def test_corpora_that_have_no_such_windows(tmp_path: Path) -> None:
    tags_of_symbols().write(tmp_path / "t.h5")
    pairs, captions = paired(tmp_path / "p.h5", [(3, 4)]), captioned(tmp_path / "c.h5", [3])
    with Corpus.open(tmp_path / "t.h5") as corpus:
        for given, words in ((corpus, "sequences with a tag a step"), (captions.corpus, "vectors with captions")):
            with pytest.raises(DataError, match=f"it holds {words}, no pairs"):
                PairStream(given, lanes=1, steps=16, source_steps=16)
        with pytest.raises(DataError, match="it holds pairs of texts, no captions"):
            CaptionStream(pairs.corpus, lanes=1, steps=16)
        with pytest.raises(DataError, match="it holds sequences with a tag a step, no other side"):
            next(pairs_of(corpus.split("train")))
    with pytest.raises(DataError, match="split valid has no sequences"):
        PairStream(pairs.corpus, "valid", lanes=2, steps=16, source_steps=16)


@pytest.mark.parametrize("kind", ["pairs", "captions"])
@pytest.mark.parametrize(("steps", "most"), [(1 << 16, 1 << 13), (1, 1), (40, 7)])
def test_pairs_one_by_one(tmp_path: Path, kind: str, steps: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_STEPS", steps)
    monkeypatch.setattr(sequences, "_SEQUENCES", most)
    what = corpus_of(tmp_path / "a.h5", kind, some_pairs(50, (30, 9)))
    found = list(pairs_of(what.corpus.split("train")))
    assert len(found) == 50
    for (source, target), source_there, target_there in zip(found, what.sources, what.targets, strict=True):
        np.testing.assert_array_equal(source, source_there)
        np.testing.assert_array_equal(target, target_there)
        assert target.dtype == np.int32 and source.dtype == (np.int32 if kind == "pairs" else np.float32)
    assert list(pairs_of(what.corpus.split("valid"))) == []


def test_sources_that_are_not_in_order_are_refused(tmp_path: Path) -> None:
    what = paired(tmp_path / "a.h5", [(3, 4), (2, 1), (4, 1)])
    data = (tmp_path / "a.h5").read_bytes()
    right, wrong = (np.array(each, "<u8").tobytes() for each in ((0, 3, 5), (0, 5, 5)))
    assert data.count(right) == 1
    (tmp_path / "a.h5").write_bytes(data.replace(right, wrong))
    for use in (
        lambda: list(pairs_of(what.corpus.split("train"))),
        lambda: PairStream(what.corpus, lanes=1, steps=9, source_steps=9),
    ):
        with pytest.raises(CorpusError, match="split train: the documents are not in order; prepare the corpus again"):
            use()
    assert len(LETTERS) > 5
