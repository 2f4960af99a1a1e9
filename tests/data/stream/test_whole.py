"""Windows of whole sequences, against what each number has to be, worked out sequence by sequence."""

from __future__ import annotations

import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WholeStream, Window, values, whole_geometry
from gpurnn.data.stream.packing import Side, dealt, packed
from gpurnn.exceptions import DataError, UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.training.feed import Feed
from tests.corpora import series as two_stations
from tests.sequences import LABELS, SYMBOLS, WIDTH, Told, some_lengths, told

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from network.allocation import check_no_allocation


def put(window: dict[str, np.ndarray], what: Told, sequence: int, first: int, lane: int, begin: int, n: int) -> None:
    """The n steps of a sequence from `first` on into a window, from step `begin` of a lane on."""
    for i in range(n):
        at = begin + i, lane
        window["inputs"][at] = what.inputs[sequence][first + i]
        last = first + i == len(what.inputs[sequence]) - 1
        if not what.at_end:
            window["targets"][at] = what.targets[sequence][first + i]
        elif last:
            window["targets"][at] = what.targets[sequence]
        window["weight"][at] = last if what.at_end else 1
        window["carry"][at] = i > 0
        window["sequence"][at], window["step"][at] = sequence, first + i


def nothing(steps: int, lanes: int, width: tuple[int, ...]) -> dict[str, np.ndarray]:
    window = {name: np.zeros((steps, lanes)) for name in ("targets", "weight", "carry", "step")}
    return window | {"inputs": np.zeros((steps, lanes, *width), np.float32), "sequence": np.full((steps, lanes), -1)}


def check(stream: WholeStream, window: Window, expected: dict[str, np.ndarray]) -> None:
    place = stream.place(window)
    found = {"inputs": window.fields[stream.fields[0].name], "targets": window.targets, "carry": window.carry}
    found |= {"weight": window.weight, "sequence": place.sequence, "step": place.step}
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    assert window.weight_sum == expected["weight"].sum() and window.has_boundary
    assert window.uniform == (expected["weight"] == 1).all()
    for name, plan in window.plans.items():
        flat = window.fields[name].reshape(-1)
        np.testing.assert_array_equal(plan.order, np.argsort(flat, kind="stable"))
        np.testing.assert_array_equal(plan.rows, np.unique(flat))
        np.testing.assert_array_equal(flat[plan.order][plan.starts], plan.rows)


KINDS = [("tags", "symbols"), ("tags", "reals"), ("labels", "symbols"), ("labels", "reals")]


@pytest.mark.parametrize(("kind", "of"), KINDS)
@pytest.mark.parametrize(("lanes", "steps", "count"), [(1, 9, 20), (3, 9, 40), (4, 20, 41), (5, 9, 2)])
@pytest.mark.parametrize("held", [0, 1 << 20])
@pytest.mark.parametrize("prefetch", [False, True])
def test_each_number_of_a_window(
    tmp_path: Path,
    kind: str,
    of: str,
    lanes: int,
    steps: int,
    count: int,
    held: int,
    prefetch: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    lengths, seed = some_lengths(count, 9), 5
    what = told(tmp_path / "a.h5", kind, of, lengths)
    packing = packed([Side(np.array(lengths, np.uint16), steps)], seed)
    stream = WholeStream(what.corpus, lanes=lanes, steps=steps, seed=seed, epochs=3, prefetch=prefetch)
    assert [field.planned for field in stream.fields] == [of == "symbols", False]
    what.corpus.close()
    seen = np.zeros((3, count), int)
    with stream:
        for window in stream.recycled():
            epoch, number = divmod(window.index, stream.windows_per_epoch)
            (deal,) = dealt(packing, lanes, epoch)
            part = slice(deal.first[number], deal.first[number + 1])
            expected = nothing(steps, lanes, what.inputs[0].shape[1:])
            for sequence, place in zip(deal.sequences[part].tolist(), deal.places[part].tolist(), strict=True):
                lane, begin = divmod(place, steps)
                put(expected, what, sequence, 0, lane, begin, lengths[sequence])
                seen[epoch, sequence] += 1
            assert window.epoch == epoch
            check(stream, window, expected)
    assert (seen == 1).all()


@pytest.mark.parametrize("of", ["symbols", "reals"])
@pytest.mark.parametrize(("steps", "context"), [(10, 0), (10, 1), (10, 4), (7, 3), (60, 5)])
def test_a_cut_sequence_counts_each_step_once(tmp_path: Path, of: str, steps: int, context: int) -> None:
    lengths = [*some_lengths(12, 70, seed=2), steps, steps + 1, 1]
    what = told(tmp_path / "a.h5", "tags", of, lengths)
    counted = [np.zeros(length, int) for length in lengths]
    with WholeStream(what.corpus, lanes=3, steps=steps, cut=True, context=context, epochs=1) as stream:
        for window in stream.recycled():
            place, inputs = stream.place(window), window.fields[stream.fields[0].name]
            for lane in range(3):
                begins = [t for t in range(steps) if window.carry[t, lane] == 0]
                for begin, end in pairwise([*begins, steps]):
                    sequence, first = int(place.sequence[begin, lane]), int(place.step[begin, lane])
                    if sequence < 0:
                        assert end == begin + 1 and window.weight[begin, lane] == 0
                        continue
                    expected = nothing(steps, 1, what.inputs[0].shape[1:])
                    put(expected, what, sequence, first, 0, begin, end - begin)
                    part = slice(begin, end)
                    np.testing.assert_allclose(inputs[part, lane], expected["inputs"][part, 0], rtol=1e-5, atol=1e-6)
                    np.testing.assert_array_equal(window.targets[part, lane], expected["targets"][part, 0])
                    np.testing.assert_array_equal(place.step[part, lane], expected["step"][part, 0])
                    last = first + end - begin == lengths[sequence]
                    weight = window.weight[part, lane]
                    low, high = context if first else 0, end - begin - (0 if last else context)
                    assert weight[:low].sum() == 0 and weight[low:high].all() and weight[high:].sum() == 0
                    counted[sequence][first : first + end - begin] += weight.astype(int)
    assert all((each == 1).all() for each in counted)


def test_of_a_labelled_sequence_that_is_cut_the_end_is_read(tmp_path: Path) -> None:
    lengths = [3, 8, 20, 9]
    what = told(tmp_path / "a.h5", "labels", "reals", lengths)
    with WholeStream(what.corpus, lanes=5, steps=8, cut=True, epochs=1) as stream:
        window = next(stream)
        place = stream.place(window)
    assert window.weight_sum == 4
    for t, lane in zip(*np.nonzero(window.weight), strict=True):
        sequence = int(place.sequence[t, lane])
        whole, n = what.inputs[sequence], min(8, lengths[sequence])
        assert place.step[t, lane] == lengths[sequence] - 1 and window.targets[t, lane] == what.targets[sequence]
        np.testing.assert_allclose(window.reals[t - n + 1 : t + 1, lane], whole[-n:], rtol=1e-5, atol=1e-6)
        assert window.carry[t - n + 1 : t + 1, lane].tolist() == [0] + [1] * (n - 1)


def test_a_cursor_goes_on_with_the_same_windows(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", some_lengths(60, 9))
    with WholeStream(what.corpus, lanes=3, steps=12, seed=2, epochs=3) as stream:
        whole = list(stream)
    for taken in (0, 4, stream.windows_per_epoch - 1, stream.windows_per_epoch, len(whole) - 2):
        cursor = whole[taken].cursor
        with WholeStream(what.corpus, lanes=3, steps=12, seed=2, epochs=3, cursor=cursor) as stream:
            rest = list(stream)
        assert [window.index for window in rest] == list(range(taken + 1, len(whole)))
        for one, two in zip(rest, whole[taken + 1 :], strict=True):
            for name in ("carry", "weight", "tokens", "targets"):
                np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    epochs = [[w.tokens for w in whole if w.epoch == epoch] for epoch in range(3)]
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    with pytest.raises(DataError, match="the cursor is for"):
        WholeStream(what.corpus, lanes=2, steps=12, cursor=whole[0].cursor)


@pytest.mark.parametrize(("kind", "of"), KINDS)
@pytest.mark.parametrize("held", [0, 1 << 30])
def test_nothing_large_is_allocated_for_a_window(
    tmp_path: Path, kind: str, of: str, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_HELD_BYTES", held)
    what = told(tmp_path / "a.h5", kind, of, some_lengths(8000, 90))
    with WholeStream(what.corpus, lanes=64, steps=64, cut=True, prefetch=False) as stream:
        windows = stream.recycled()
        check_no_allocation({"window": lambda: [next(windows)].clear()}, warm=3)
        assert stream.windows_per_epoch > 19, "all of one epoch"


@pytest.mark.parametrize("cell", ["simple", "gru", "lstm"])
@pytest.mark.parametrize("of", ["symbols", "reals"])
def test_packed_windows_give_what_their_sequences_give_one_by_one(tmp_path: Path, cell: str, of: str) -> None:
    lengths = some_lengths(25, 9)
    what = told(tmp_path / "a.h5", "tags", of, lengths)
    be = CpuBackend()
    width = SYMBOLS if of == "symbols" else WIDTH
    config = ModelConfig(
        0, cell, 6, 2, inputs=width, outputs=len(LABELS), input="real" if of == "reals" else "", dtype="float64"
    )
    model = Model(be, config)
    model.params.initialise(be, 1)
    alone = [outputs_of(be, model, [one_by_one(what, i)], lengths[i])[0][:, 0] for i in range(len(lengths))]
    with WholeStream(what.corpus, lanes=3, steps=16, epochs=1) as stream:
        windows = list(islice(stream, stream.windows_per_epoch))
        for window, found in zip(windows, outputs_of(be, model, windows, 16, 3), strict=True):
            for t, lane in zip(*np.nonzero(window.weight), strict=True):
                sequence, step = where(what, window, t, lane)
                np.testing.assert_allclose(found[t, lane], alone[sequence][step], rtol=0, atol=1e-6)


def where(what: Told, window: Window, t: int, lane: int) -> tuple[int, int]:
    """Which step of which sequence one of a window is, told from its numbers."""
    begin = max(i for i in range(t + 1) if window.carry[i, lane] == 0)
    ends = [i for i in range(t + 1, len(window.carry)) if window.carry[i, lane] == 0]
    end = min([*ends, len(window.carry)])
    inputs = next(array for name, array in window.fields.items() if name != "targets")[begin:end, lane]
    same = [i for i, each in enumerate(what.inputs) if each.shape == inputs.shape and np.allclose(each, inputs)]
    return same[0], t - begin


def one_by_one(what: Told, sequence: int) -> Window:
    n = len(what.inputs[sequence])
    inputs = what.inputs[sequence][:, None]
    name, kind = ("tokens", np.int32) if inputs.ndim == 2 else ("reals", np.float32)
    carry = np.ones((n, 1), np.float32)
    carry[0] = 0
    more = {name: inputs.astype(kind), "targets": np.zeros((n, 1), np.int32)}
    ones = np.ones((n, 1), np.float32)
    return Window(
        0,
        0,
        carry=carry,
        weight=ones,
        has_boundary=True,
        uniform=True,
        weight_sum=n,
        cursor=None,  # type: ignore[arg-type]
        **more,
    )


def outputs_of(be: CpuBackend, model: Model, windows: list[Window], steps: int, lanes: int = 1) -> list[np.ndarray]:
    """(T, B, K) of each window, the state carried from one to the next."""
    ws, state = model.workspace(lanes, steps, train=False), model.state(lanes)
    feed, found = Feed(be, ws.batch), []
    for window in windows:
        feed.load(window)
        model.forward(ws, state)
        found.append(be.to_host(ws.o).reshape(steps, lanes, -1).copy())
        model.carry_out(ws, state)
    return found


def test_windows_reach_a_model_as_they_are(tmp_path: Path) -> None:
    """By the way of training, where the windows of a stream are not looked over."""
    what = told(tmp_path / "a.h5", "labels", "symbols", some_lengths(40, 9))
    be = CpuBackend()
    model = Model(be, ModelConfig(0, "gru", 6, inputs=SYMBOLS, outputs=len(LABELS)))
    ws = model.workspace(3, 12)
    with WholeStream(what.corpus, lanes=3, steps=12, epochs=1) as stream:
        sums = [float(be.to_host(ws.batch.weight).sum()) for _ in Feed(be, ws.batch).run(stream)]
    assert sum(sums) == 40 and len(sums) == stream.windows_per_epoch


def test_a_sequence_that_is_too_long_is_named(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", [5, 9, 33, 4])
    with pytest.raises(DataError) as error:
        WholeStream(what.corpus, lanes=2, steps=16)
    assert str(error.value) == (
        f"{tmp_path / 'a.h5'}, split train: sequence 2 (the first is 0) has 33 steps, a window only 16; use "
        "`bptt=48`, or cut what is longer"
    )


@pytest.mark.parametrize(
    ("settings", "told_so"),
    [
        ({"context": 3}, "context: only what is cut has steps before and after it; cut, too"),
        ({"context": 8, "cut": True}, "context 8: on both sides it leaves no step of 16 (`bptt`) that counts"),
        ({"lanes": 0}, "lanes: expected at least 1, found 0"),
        ({"seed": -1}, "seed: expected 0 or more and less than 2**63, found -1"),
        ({"cut": 1}, "cut: expected True or False, found 1"),
        ({"corpus": 3}, "corpus: expected a Corpus, found 3"),
    ],
)
def test_wrong_calls(tmp_path: Path, settings: dict[str, Any], told_so: str) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", [5, 9])
    with pytest.raises(UsageError) as error:
        WholeStream(**{"corpus": what.corpus, "lanes": 2, "steps": 16} | settings)
    assert str(error.value) == told_so


def test_labels_have_no_context(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "labels", "symbols", [5, 20])
    with pytest.raises(UsageError, match="context: only the last step of a sequence counts"):
        WholeStream(what.corpus, lanes=2, steps=16, cut=True, context=2)


def test_corpora_that_have_no_such_windows(tmp_path: Path) -> None:
    two_stations().write(tmp_path / "s.h5")
    with (
        Corpus.open(tmp_path / "s.h5") as corpus,
        pytest.raises(DataError, match="it holds measured series; windows of whole sequences need labels or tags"),
    ):
        WholeStream(corpus, lanes=2, steps=16)
    what = told(tmp_path / "a.h5", "tags", "symbols", [5, 9])
    with pytest.raises(DataError, match="split valid has no sequences"):
        WholeStream(what.corpus, "valid", lanes=2, steps=16)


def test_a_window_keeps_its_size() -> None:
    found = [whole_geometry(longest, 32, 64) for longest in (1, 16, 17, 64, 177, 512, 4000)]
    assert found == [(128, 16), (128, 16), (64, 32), (32, 64), (10, 192), (4, 512), (4, 512)]
    assert whole_geometry(500, 1, 16) == (1, 512)
