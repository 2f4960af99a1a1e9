"""The stream against a walk over the tokens one by one."""

import gc
import os
import signal
import threading
import time
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpurnn.data.stream import Cursor, Geometry, WindowStream, text, windows
from gpurnn.exceptions import CorpusError, DataError, GpurnnError, UsageError
from gpurnn.signals import SAVE, STOPS

LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNFIT = (-1, 1.5, True, None, "3", 2**62)
"""What is no number of windows."""


def some_documents(count, seed=0, longest=40):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(LETTERS), rng.integers(1, longest))) for _ in range(count)]


def flat(documents):
    """Ids and first-token flags of the documents one after the other, by the definition of a corpus."""
    symbols = sorted(set("".join(documents)))
    ids = [symbols.index(c) for d in documents for c in d]
    first = [i == 0 for d in documents for i in range(len(d))]
    return ids, first


def expected_windows(ids, first, lanes, steps, epochs=1, tail=False):
    """(epoch, rows of inputs, targets, carry, weight) of each window, scalar by scalar."""
    n = len(ids)
    lane = (n - 1) // lanes
    rest = n - 1 - lane * lanes
    stretches = [(0, lane, False)] + ([(lane, lane + rest, True)] if tail and rest else [])
    for epoch in range(epochs):
        for low, high, is_tail in stretches:
            for offset in range(low, high, steps):
                rows = range(offset, min(offset + steps, high))
                at = [[b * lane + i for b in range(lanes)] for i in rows]
                yield (
                    epoch,
                    [[ids[p] for p in row] for row in at],
                    [[ids[p + 1] for p in row] for row in at],
                    [[0 if first[p] or i == 0 else 1 for p in row] for i, row in zip(rows, at, strict=True)],
                    [[0 if first[p + 1] or (is_tail and b < lanes - 1) else 1 for b, p in enumerate(r)] for r in at],
                )


def check(window, expected):
    epoch, tokens, targets, carry, weight = expected
    assert window.epoch == epoch
    for found, wanted, dtype in (
        (window.tokens, tokens, np.int32),
        (window.targets, targets, np.int32),
        (window.carry, carry, np.float32),
        (window.weight, weight, np.float32),
    ):
        assert found.dtype == dtype
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted)
    assert window.has_boundary is bool((np.array(carry) == 0).any())
    assert window.uniform is bool((np.array(weight) == 1).all())
    assert window.weight_sum == np.sum(weight)
    check_plan(window)


def check_plan(window):
    order = np.argsort(np.ravel(window.tokens), kind="stable")
    symbols, starts = np.unique(np.ravel(window.tokens)[order], return_index=True)
    plan = window.plans["tokens"]
    np.testing.assert_array_equal(plan.order, order)
    np.testing.assert_array_equal(plan.rows, symbols)
    np.testing.assert_array_equal(plan.starts, starts)
    assert plan.order.dtype == plan.rows.dtype == plan.starts.dtype == np.int32


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize(("lanes", "steps"), [(1, 1), (1, 50), (3, 7), (5, 16), (8, 8), (13, 1), (64, 3)])
def test_windows_equal_a_walk_over_the_tokens(make_corpus, lanes, steps, tail, prefetch):
    documents = some_documents(30)
    corpus = make_corpus(documents)
    wanted = list(expected_windows(*flat(documents), lanes, steps, epochs=2, tail=tail))
    with WindowStream(corpus, lanes=lanes, steps=steps, epochs=2, tail=tail, prefetch=prefetch) as stream:
        assert 2 * stream.windows_per_epoch == len(wanted)
        for index, expected in enumerate(wanted):
            window = next(stream)
            assert window.index == index
            check(window, expected)
        with pytest.raises(StopIteration):
            next(stream)


@pytest.mark.parametrize("prefetch", [False, True])
def test_windows_that_are_kept_stay_as_they_are(make_corpus, prefetch):
    documents = some_documents(30)
    with WindowStream(make_corpus(documents), lanes=3, steps=7, epochs=2, prefetch=prefetch) as stream:
        kept = list(stream)
    assert len(kept) > 3 * (windows.KEEP + windows.AHEAD), "too few to find one that was used again"
    for window, expected in zip(kept, expected_windows(*flat(documents), 3, 7, epochs=2), strict=True):
        check(window, expected)
    memory = [array for window in kept for array in arrays_of(window).values()]
    assert len({array.ctypes.data for array in memory}) == len(memory)


def test_recycled_windows_are_the_same_until_three_more_were_taken(make_corpus):
    documents = some_documents(30)
    with WindowStream(make_corpus(documents), lanes=3, steps=7, epochs=2) as stream:
        held, places = [], set()
        for window, expected in zip(stream.recycled(), expected_windows(*flat(documents), 3, 7, 2), strict=True):
            held = [*held[-windows.KEEP :], (window, expected)]
            for one, wanted in held:
                check(one, wanted)
            places.add(window.tokens.ctypes.data)
        assert next(stream.recycled(), None) is None
    assert len(places) == windows.KEEP + 1 + windows.AHEAD


def test_who_takes_windows_in_both_ways_sees_each_once(make_corpus):
    with WindowStream(make_corpus(some_documents(30)), lanes=3, steps=7, epochs=1) as stream:
        recycled, seen = stream.recycled(), []
        for window in stream:
            seen += [window.index, *(other.index for other in islice(recycled, 1))]
        assert seen == list(range(stream.windows_per_epoch))


@pytest.mark.parametrize("recycled", [False, True])
@pytest.mark.parametrize("plan", [False, True])
def test_the_arrays_of_a_window_are_read_only(make_corpus, recycled, plan):
    with WindowStream(make_corpus(some_documents(30)), lanes=3, steps=7, plan=plan) as stream:
        window = next(stream.recycled() if recycled else stream)
    for one in (window, window.copy()):
        arrays = arrays_of(one)
        assert len(arrays) == (7 if plan else 4)
        for name, array in arrays.items():
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
            np.testing.assert_array_equal(array, arrays_of(window)[name])
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays_of(window).values(), arrays.values(), strict=True))


def arrays_of(window):
    plans = {f"{name}.{of}": each for name, plan in window.plans.items() for of, each in plan._asdict().items()}
    return {"carry": window.carry, "weight": window.weight, **window.fields, **plans}


@pytest.mark.parametrize("block_bytes", [1, 7, 64])
def test_small_blocks_change_nothing(make_corpus, monkeypatch, block_bytes):
    monkeypatch.setattr(text, "_BLOCK_BYTES", block_bytes)
    documents = some_documents(40, seed=1)
    corpus = make_corpus(documents)
    with WindowStream(corpus, lanes=4, steps=5, epochs=2) as stream:
        for window, expected in zip(stream, expected_windows(*flat(documents), 4, 5, 2), strict=True):
            check(window, expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(LETTERS, min_size=1, max_size=9), min_size=1, max_size=20), st.integers(1, 6), st.integers(1, 9)
)
def test_any_documents(make_corpus, documents, lanes, steps):
    ids, first = flat(documents)
    corpus = make_corpus([*documents, "z"]) if len(ids) == 1 else make_corpus(documents)
    ids, first = flat([*documents, "z"]) if len(ids) == 1 else (ids, first)
    lanes = min(lanes, len(ids) - 1)
    steps = min(steps, (len(ids) - 1) // lanes)
    with WindowStream(corpus, lanes=lanes, steps=steps, epochs=1, tail=True, prefetch=False) as stream:
        for window, expected in zip(stream, expected_windows(ids, first, lanes, steps, tail=True), strict=True):
            check(window, expected)


@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
def test_every_target_once_in_order(make_corpus, kind):
    documents = [" ".join(d) for d in some_documents(25, seed=2)]
    corpus = make_corpus(documents, tokens=kind, split=(0.6, 0.3, 0.1))
    for name, count in corpus.splits.items():
        text = np.zeros(count, corpus.split(name).dtype)
        corpus.split(name).read(0, text)
        for lanes in (1, 2, 7):
            with WindowStream(corpus, name, lanes=lanes, steps=3, epochs=1) as stream:
                lane_targets = np.concatenate([w.targets.copy() for w in stream]).T.ravel()
                assert len(lane_targets) + stream.geometry.rest == count - 1
                assert stream.geometry.rest < lanes
            np.testing.assert_array_equal(lane_targets, text[1 : len(lane_targets) + 1])


@pytest.mark.parametrize("lanes", [1, 2, 5, 11])
def test_tail_counts_every_weighted_target_once(make_corpus, lanes):
    documents = some_documents(20, seed=3)
    ids, first = flat(documents)
    corpus = make_corpus(documents)
    seen = np.zeros(max(ids) + 1, np.int64)
    with WindowStream(corpus, lanes=lanes, steps=4, epochs=1, tail=True, plan=False) as stream:
        for window in stream:
            assert not window.plans
            np.add.at(seen, window.targets[window.weight == 1], 1)
    wanted = [t for t, begins in zip(ids[1:], first[1:], strict=True) if not begins]
    np.testing.assert_array_equal(seen, np.bincount(wanted, minlength=len(seen)))


@pytest.mark.parametrize("prefetch", [False, True])
def test_a_saved_cursor_goes_on_at_every_window(make_corpus, prefetch):
    documents = some_documents(12, seed=4)
    corpus = make_corpus(documents)
    wanted = list(expected_windows(*flat(documents), 3, 5, epochs=2))
    options = {"lanes": 3, "steps": 5, "epochs": 2, "prefetch": prefetch}
    with WindowStream(corpus, **options) as stream:
        cursors = [stream.cursor] + [window.cursor for window in stream]
    assert [cursor.window for cursor in cursors] == list(range(len(wanted) + 1))
    for cut, cursor in enumerate(cursors):
        restored = Cursor.from_json(cursor.to_json())
        assert restored == cursor
        with WindowStream(corpus, cursor=restored, **options) as stream:
            rest = list(zip(stream, wanted[cut:], strict=False))[:4]
            for offset, (window, expected) in enumerate(rest):
                assert window.index == cut + offset
                if len(rest) <= 3:  # else the first one's arrays were taken back
                    check(window, expected)
        with WindowStream(corpus, cursor=restored, **options) as stream:
            for window, expected in zip(stream, wanted[cut:], strict=True):
                check(window, expected)


def test_a_cursor_of_another_geometry_is_refused(make_corpus):
    corpus = make_corpus(["abcdefgh" * 10])
    cursor = Cursor(window=3, lanes=2, steps=5, tokens=80)
    assert next(iter(WindowStream(corpus, lanes=2, steps=5, cursor=cursor, prefetch=False))).index == 3
    for lanes, steps in ((4, 5), (2, 4)):
        with pytest.raises(DataError, match="the cursor is for 80 tokens in 2 lanes and 5 steps"):
            WindowStream(corpus, lanes=lanes, steps=steps, cursor=cursor)
    other = make_corpus(["abcdefgh" * 11], name="other")
    with pytest.raises(DataError, match=r"80 tokens .* this stream has 88"):
        WindowStream(other, lanes=2, steps=5, cursor=cursor)


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        {"window": -1, "lanes": 1, "steps": 1, "tokens": 9},
        {"window": True, "lanes": 1, "steps": 1, "tokens": 9},
    ],
)
def test_a_broken_cursor_is_refused(fields):
    with pytest.raises(DataError, match="cursor: "):
        Cursor.from_json(fields)


@pytest.mark.parametrize(
    "cursor", [3, "3", (3, 2, 5, 80), {"window": 3}, *(Cursor(n, 2, 5, 80) for n in UNFIT)], ids=str
)
def test_a_cursor_that_no_window_had_is_refused(make_corpus, cursor):
    with pytest.raises(GpurnnError, match="cursor: "):
        WindowStream(make_corpus(["abcdefgh" * 10]), lanes=2, steps=5, cursor=cursor, restart=0.1)


@pytest.mark.parametrize("name", ["lanes", "steps", "epochs", "seed", "restart"])
def test_settings_of_another_type_are_named_and_those_of_numpy_are_taken(make_corpus, name):
    corpus, right = make_corpus(["abcdefgh" * 10]), {"lanes": 2, "steps": 3, "epochs": 1, "seed": 1, "restart": 0.5}
    for wrong in ("2", 1j, [2], True, np.array([1, 2]), *([] if name == "restart" else [1.5])):
        with pytest.raises(UsageError, match=f"{name}: expected "):
            WindowStream(corpus, **right | {name: wrong})
    number = np.float32(0.5) if name == "restart" else np.int64(right[name])
    with WindowStream(corpus, **right | {name: number}) as stream, WindowStream(corpus, **right) as plain:
        assert [w.carry.tolist() for w in stream] == [w.carry.tolist() for w in plain]
        assert type(stream.cursor.window) is type(stream.cursor.lanes) is int


@pytest.mark.parametrize("source", [None, "corpus.h5", 5, ["a"]])
def test_a_stream_is_made_from_a_corpus(source):
    with pytest.raises(UsageError, match="source: expected a corpus or a split of one, found "):
        WindowStream(source, lanes=2, steps=5)


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("recycled", [False, True])
def test_threads_share_a_stream_and_all_of_them_end(make_corpus, prefetch, recycled):
    corpus = make_corpus(some_documents(60, seed=3))
    whole = {w.index: w.tokens.tolist() for w in WindowStream(corpus, lanes=2, steps=3, epochs=2, plan=False)}
    with WindowStream(corpus, lanes=2, steps=3, epochs=2, plan=False, prefetch=prefetch) as stream:
        taken, wrong = [], []

        def take():
            for window in stream.recycled() if recycled else stream:
                taken.append(window.index)
                if not recycled and window.tokens.tolist() != whole[window.index]:
                    wrong.append(window.index)

        threads = [threading.Thread(target=take, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert (sorted(taken), wrong) == (sorted(whole), [])
        assert stream.cursor.window == len(whole)


@pytest.mark.filterwarnings("ignore:.*multi-threaded")
def test_a_stream_of_another_process_says_so(make_corpus):
    """The thread that makes its windows is not there after a fork."""
    with WindowStream(make_corpus(some_documents(60)), lanes=2, steps=3) as stream:
        for _ in range(3):
            next(stream)
        while stream._prefetcher._made < 5:  # until the thread is at rest
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            try:
                for _ in range(3):
                    next(stream)
            except UsageError as error:
                os._exit(7 if "make another one in this" in str(error) else 1)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_lanes_and_steps_that_do_not_fit_name_the_largest_that_do(make_corpus):
    corpus = make_corpus(["abcdefghijk"])
    with pytest.raises(DataError, match=r"split train: 11 lanes do not fit 11 tokens; the most that fit are 10$"):
        WindowStream(corpus, lanes=11, steps=1)
    with pytest.raises(DataError, match=r"has 3 of \d+ targets; use at most 3 steps \(`bptt`\), or at most 2 lanes"):
        WindowStream(corpus, lanes=3, steps=4)
    Geometry(11, 3, 3), Geometry(11, 2, 4), Geometry(11, 10, 1)
    with pytest.raises(DataError, match="at least 2 tokens, this split has 0"):
        WindowStream(corpus, "valid", lanes=1, steps=1)
    with pytest.raises(DataError, match="no split 'best'"):
        WindowStream(corpus, "best", lanes=1, steps=1)
    with pytest.raises(DataError, match="must be at least 1, found 0 and 4"):
        WindowStream(corpus, lanes=0, steps=4)


def test_arrays_stay_until_three_more_windows_were_taken(make_corpus):
    documents = some_documents(40, seed=5)
    wanted = list(expected_windows(*flat(documents), 2, 6))
    with WindowStream(make_corpus(documents), lanes=2, steps=6, epochs=1) as stream:
        taken = []
        for window in stream:
            taken.append(window)
            time.sleep(0.001)  # lets the thread run ahead as far as it may
            for back in range(1, min(windows.KEEP, len(taken)) + 1):
                check(taken[-back], wanted[len(taken) - back])


def running():
    return [thread for thread in threading.enumerate() if thread.name == "gpurnn-stream"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the signals of a thread are read from /proc")
def test_the_thread_takes_no_signal(make_corpus):
    """It would be woken in the place of the main thread, which may wait for something that never comes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with WindowStream(make_corpus(some_documents(30)), lanes=2, steps=3) as stream:
        next(stream)
        (thread,) = running()
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        blocked = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk"))
        assert all(blocked >> (number - 1) & 1 for number in (*STOPS, SAVE))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_the_thread_ends_with_the_stream(make_corpus):
    corpus = make_corpus(some_documents(30))
    stream = WindowStream(corpus, lanes=2, steps=3)
    next(stream)
    assert len(running()) == 1
    stream.close()
    assert not running()
    assert list(stream) == []
    stream.close()

    with pytest.raises(ZeroDivisionError), WindowStream(corpus, lanes=2, steps=3) as stream:
        next(stream)
        raise ZeroDivisionError
    assert not running()

    stream = WindowStream(corpus, lanes=2, steps=3)
    next(stream)
    del stream
    gc.collect()
    assert not running()


def test_a_stream_outlives_its_corpus(make_corpus):
    documents = some_documents(30, seed=6)
    corpus = make_corpus(documents)
    stream = WindowStream(corpus, lanes=2, steps=3, epochs=1, prefetch=False)
    corpus.close()
    for window, expected in zip(stream, expected_windows(*flat(documents), 2, 3), strict=True):
        check(window, expected)
    with pytest.raises(CorpusError, match="the corpus is closed"):
        corpus.split("train").read(0, np.zeros(1, np.uint8))


def test_an_error_of_the_thread_reaches_the_consumer(make_corpus):
    corpus = make_corpus(["ab" * 200_000])
    with WindowStream(corpus, lanes=1, steps=50_000) as stream:
        next(stream)
        with open(corpus.path, "r+b") as file:
            file.truncate(70_000)
        with pytest.raises(CorpusError, match=r"the file ends inside (tokens|documents)/train"):
            for _ in range(10):
                next(stream)
        assert not running()


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("prefetch", [True, False])
def test_a_window_allocates_nothing_of_4_kib(make_corpus, monkeypatch, prefetch, plan):
    """Python sees single allocations through the peak of a window: no window may push it 4 KiB over what is held."""
    monkeypatch.setattr(text, "_BLOCK_BYTES", 2048)
    corpus = make_corpus(some_documents(4000, seed=7))
    with WindowStream(corpus, lanes=16, steps=1000, prefetch=prefetch, plan=plan) as stream:
        recycled = stream.recycled()
        for _ in range(2 * stream.windows_per_epoch):
            next(recycled)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(2 * stream.windows_per_epoch):
                next(recycled)
                now, peak = tracemalloc.get_traced_memory()
                tracemalloc.reset_peak()
                assert peak - now < 4096
            arrays = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)]
            )
            assert all(trace.size < 4096 for trace in arrays.traces)
        finally:
            tracemalloc.stop()


def test_memory_of_a_window_is_bounded_by_the_block_not_the_corpus(make_corpus):
    corpus = make_corpus(["abcdefghij" * 100_000])
    with WindowStream(corpus, lanes=64, steps=128, prefetch=False) as stream:
        tracemalloc.start()
        try:
            WindowStream(corpus, lanes=64, steps=128, prefetch=False)
            assert tracemalloc.get_traced_memory()[1] < 2 * (64 * 2 * text._BLOCK_BYTES)
        finally:
            tracemalloc.stop()
        assert next(stream).tokens.shape == (128, 64)


def test_tinyshakespeare(shakespeare, tmp_path):
    from gpurnn.data.corpus import Corpus
    from gpurnn.data.prepare import prepare

    prepare([shakespeare], tmp_path / "t.h5", split=(0.9, 0.1, 0))
    text = shakespeare.read_text(encoding="utf-8")
    with Corpus.open(tmp_path / "t.h5") as corpus:
        for name, part in (("train", text[:1_003_854]), ("valid", text[1_003_854:])):
            with WindowStream(corpus, name, lanes=32, steps=64, epochs=1) as stream:
                targets = np.concatenate([w.targets.copy() for w in stream]).T.ravel()
            assert corpus.vocabulary.decode(targets.tolist()) == part[1 : len(targets) + 1]
            assert len(part) - 1 - len(targets) < 32
