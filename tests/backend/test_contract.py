"""The contract of a backend, by values: the same tests on every backend."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gpurnn.backend import Backend, RowPlan
from gpurnn.exceptions import BackendError, OutOfMemoryError

DTYPES = ("float32", "float64")
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
LAYOUTS = ("rows", "columns", "rows in a wider array", "columns in a wider array")
SHAPES = ((1, 1, 1), (3, 5, 2), (1, 7, 4), (5, 1, 3), (4, 6, 1), (33, 17, 65))


def arranged(be: Backend, host: np.ndarray, layout: str):
    """`host` on the device in one of LAYOUTS, and the whole array that it lies in."""
    rows, columns = host.shape
    if layout.startswith("columns"):
        view, whole = arranged(be, np.ascontiguousarray(host.T), layout.replace("columns", "rows"))
        return view.T, whole
    margin = 3 if layout.endswith("wider array") else 0
    whole = be.from_host(np.full((rows, columns + margin), np.nan, host.dtype))
    view = whole[:, 1 : columns + 1] if margin else whole
    be.from_host(host, out=view)
    return view, whole


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("accumulate", [False, True])
def test_gemm(be: Backend, dtype: str, m: int, k: int, n: int, accumulate: bool) -> None:
    rng = np.random.default_rng(0)
    a, b, before = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
    expected = a.astype(float) @ b.astype(float) + (before if accumulate else 0)
    for layouts in itertools.product(LAYOUTS, repeat=3):
        (da, _), (db, _), (out, whole) = map(arranged, [be] * 3, (a, b, before), layouts)
        if not accumulate:
            out.fill(np.nan)  # what was there is not read
        be.gemm(da, db, out, accumulate)
        np.testing.assert_allclose(be.to_host(out), expected, rtol=0, atol=k * TOLERANCE[dtype], err_msg=str(layouts))
        margin = whole.size - m * n
        assert np.isnan(be.to_host(whole)).sum() == margin, f"{layouts}: wrote beside out"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("k", "n"), [(1, 1), (5, 31), (300, 130), (64, 1030), (257, 512)])
def test_a_row_that_is_bound_to_a_matrix_gives_the_bits_of_gemm(be: Backend, dtype: str, k: int, n: int) -> None:
    rng = np.random.default_rng(0)
    matrix = be.from_host(rng.standard_normal((k, n)).astype(dtype))
    product, expected, found = be.bind_row(matrix), be.empty((1, n), dtype), be.empty((1, n), dtype)
    for _ in range(3):  # it is read to and fro
        host = rng.standard_normal((1, k)).astype(dtype)
        x = be.from_host(host)
        be.gemm(x, matrix, expected)
        found.fill(np.nan)
        product(x, found)
        np.testing.assert_array_equal(be.to_host(found), be.to_host(expected))
        exact = host.astype(float) @ be.to_host(matrix).astype(float)
        np.testing.assert_allclose(be.to_host(found), exact, rtol=0, atol=k * TOLERANCE[dtype])


def plan_of(be: Backend, index: np.ndarray, room: int) -> RowPlan:
    """The plan of a window that may be shorter than its buffers; what is not used must not be read."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    parts = [order, starts, ordered[starts], [len(starts)]]
    padded = [np.r_[part, np.full(room - len(part), 10**6)] for part in parts[:3]] + [np.array(parts[3])]
    return RowPlan(*(be.from_host(part.astype(be.index_dtype)) for part in padded))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (7, 5), (256, 33), (257, 33), (1000, 70), (3, 300)])
@pytest.mark.parametrize("used", [40, 33, 1])
def test_row_gather_and_its_gradient(be: Backend, dtype: str, rows: int, width: int, used: int) -> None:
    n = 40
    rng = np.random.default_rng(rows)
    table = rng.standard_normal((rows, width)).astype(dtype)
    index = np.minimum(rng.geometric(0.1, used) - 1, rows - 1)  # long runs, and rows that never occur
    index[-1] = rows - 1
    where = be.from_host(index.astype(be.index_dtype))
    out = be.empty((used, width), dtype)
    be.gather_rows(be.from_host(table), where, out)
    np.testing.assert_array_equal(be.to_host(out), table[index])

    d_out = rng.standard_normal((used, width)).astype(dtype)
    expected = np.zeros((rows, width))
    np.add.at(expected, index, d_out.astype(float))
    d_table = be.from_host(np.full((rows, width), np.nan, dtype))
    gradient = be.row_gradient(n, rows, width, dtype)
    results = []
    for _ in range(2):  # the scratch is used again
        gradient(be.from_host(d_out), where, plan_of(be, index, n), d_table)
        results.append(be.to_host(d_table))
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=used * TOLERANCE[dtype])
    np.testing.assert_array_equal(results[0], results[1])


def test_a_large_tables_gradient_leaves_rows_that_do_not_occur_exactly_zero(be: Backend) -> None:
    index = np.array([5, 299, 5])
    d_table = be.from_host(np.full((300, 4), np.nan))
    gradient = be.row_gradient(3, 300, 4, "float64")
    gradient(be.from_host(np.ones((3, 4))), be.from_host(index.astype(be.index_dtype)), plan_of(be, index, 3), d_table)
    expected = np.zeros((300, 4))
    expected[5], expected[299] = 2, 1
    np.testing.assert_array_equal(be.to_host(d_table), expected)


def numpy_mask(seed: int, layer: int, window: int, p: float, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The definition: uniforms of NumPy's generator, kept where they are at least p."""
    key, counter = np.array([seed, layer], np.uint64), np.array([0, window, 0, 0], np.uint64)
    uniforms = np.random.Generator(np.random.Philox(key=key, counter=counter)).random(shape, dtype=np.float32)
    return np.where(uniforms >= np.float32(p), np.dtype(dtype).type(1 / (1 - p)), np.dtype(dtype).type(0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("seed", "layer", "window", "p", "shape"),
    [
        (0, 0, 0, 0.5, (1,)),
        (1, 2, 3, 0.3, (5, 3, 7)),
        (2**63 + 5, 1, 2**40, 0.1, (4, 64)),
        (2**64 - 1, 9, 17, 0.9, (2, 1031)),
        (5, 0, 4, 0.1, (301, 1009)),
    ],
)
def test_dropout_masks_are_numpys_bit_for_bit(
    be: Backend, dtype: str, seed: int, layer: int, window: int, p: float, shape: tuple[int, ...]
) -> None:
    out = be.from_host(np.full(shape, np.nan, dtype))
    where = be.from_host(np.array([window], np.int64))
    be.dropout_mask(seed, layer, p)(out, where)
    np.testing.assert_array_equal(be.to_host(out), numpy_mask(seed, layer, window, p, shape, dtype))


def test_a_dropout_mask_against_values_written_down(be: Backend) -> None:
    out = be.empty((64,), "float32")
    be.dropout_mask(1, 2, 0.5)(out, be.from_host(np.array([3], np.int64)))
    mask = be.to_host(out)
    assert set(mask.tolist()) == {0.0, 2.0}
    assert np.packbits(mask > 0).tobytes().hex() == GOLDEN_MASK


GOLDEN_MASK = "a9c49f83d002865e"


def test_a_mask_follows_the_window_index_on_the_device(be: Backend) -> None:
    window, draw = be.zeros((1,), np.int64), be.dropout_mask(7, 0, 0.4)
    masks = []
    for index in range(3):
        window.fill(index)
        out = be.empty((100,), "float64")
        draw(out, window)
        masks.append(be.to_host(out))
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(mask, numpy_mask(7, 0, index, 0.4, (100,), "float64"))


def buffers(be: Backend, steps: int = 6):
    return {
        "tokens": be.zeros((steps * 2,), be.index_dtype),
        "carry": be.zeros((steps, 2, 1), "float32"),
        "scale": be.zeros((1,), "float64"),
        "window": be.zeros((1,), np.int64),
    }


def test_staging_hands_on_windows_in_their_order_one_ahead(be: Backend) -> None:
    into = buffers(be)
    staging = be.staging(into)
    rng = np.random.default_rng(0)
    windows = []
    for number in range(12):
        steps = 6 if number % 3 else 4
        windows.append(
            {
                "tokens": rng.integers(0, 1000, steps * 2, dtype=np.int64),
                "carry": rng.integers(0, 2, (steps, 2, 1)).astype(np.float64),
                "scale": rng.standard_normal(1),
                "window": np.array([number + 2**40]),
            }
        )
    shown = {name: np.zeros(array.shape) for name, array in into.items()}
    for ahead, window in itertools.pairwise([*windows, None]):
        if window is windows[1]:
            staging.push(ahead)
        if window is not None:
            staging.push(window)
        staging.pop()
        for name, source in ahead.items():
            shown[name][: len(source)] = source
            np.testing.assert_array_equal(be.to_host(into[name]), shown[name].astype(into[name].dtype), err_msg=name)


def test_staging_leaves_buffers_alone_that_are_not_named(be: Backend) -> None:
    into = buffers(be)
    into["scale"].fill(3)
    staging = be.staging(into)
    staging.push({"window": np.array([5])})
    staging.pop()
    assert be.to_host(into["scale"]).tolist() == [3]
    assert be.to_host(into["window"]).tolist() == [5]


def test_staging_holds_two_sets_and_says_so(be: Backend) -> None:
    staging = be.staging(buffers(be))
    with pytest.raises(BackendError, match="nothing was pushed"):
        staging.pop()
    for number in range(2):
        staging.push({"window": np.array([number])})
    with pytest.raises(BackendError, match="two sets are on their way"):
        staging.push({"window": np.array([2])})
    staging.pop()
    staging.push({"window": np.array([2])})


def test_staging_that_is_dropped_does_not_disturb_the_next(be: Backend) -> None:
    for number in range(6):
        into = buffers(be, steps=6 + 40 * (number % 2))
        staging = be.staging(into)
        tokens = np.full(len(into["tokens"]), number)
        staging.push({"tokens": tokens})
        staging.pop()
        staging.push({"tokens": tokens + 1})
        del staging
    np.testing.assert_array_equal(be.to_host(into["tokens"]), tokens)


def test_copies_do_not_share_memory_with_their_source(be: Backend) -> None:
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    array = be.from_host(host)
    host[0, 0] = 9
    back = be.to_host(array)
    back[0, 1] = 8
    assert be.to_host(array).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_from_host_fills_what_it_is_given_and_casts(be: Backend) -> None:
    out = be.zeros((2, 3), "float32")
    view = be.zeros((2, 5), "float64")[:, 1:4]
    host = np.arange(6).reshape(2, 3)[:, ::-1]
    for array in (out, view):
        assert be.from_host(host.astype(np.float64), out=array) is array
        assert be.to_host(array).tolist() == host.tolist()
    with pytest.raises(TypeError):
        be.from_host(host.astype(np.float64), out=be.zeros((2, 3), be.index_dtype))
    with pytest.raises(ValueError):
        be.from_host(np.zeros((3, 2)), out=out)


def test_from_host_keeps_the_dtype(be: Backend) -> None:
    for dtype in ("float32", "float64", "int64", "int32", "uint8"):
        host = np.arange(5).astype(dtype)
        array = be.from_host(host)
        assert array.dtype == host.dtype
        np.testing.assert_array_equal(be.to_host(array), host)


def test_to_host_of_a_view(be: Backend) -> None:
    host = np.arange(24.0).reshape(4, 6)
    array = be.from_host(host)
    np.testing.assert_array_equal(be.to_host(array.T[1:4, ::2]), host.T[1:4, ::2])


def test_events_measure_seconds_in_order(be: Backend) -> None:
    start = be.event()
    be.empty((1000,), "float64").fill(1)
    end = be.event()
    seconds = be.elapsed(start, end)
    assert isinstance(seconds, float)
    assert 0 <= seconds < 60


def test_memory_is_in_bytes(be: Backend) -> None:
    be.synchronize()
    memory = be.memory()
    assert memory["used"] >= 2**20
    assert all(isinstance(value, int) for value in memory.values())
    if "total" in memory:
        assert memory["used"] <= memory["total"]


def test_out_of_memory_says_how_much_was_asked_for(be: Backend) -> None:
    for make in (be.empty, be.zeros):
        with pytest.raises(OutOfMemoryError, match=r"out of memory, \d+ MiB more were asked for$"):
            make((1 << 48,), "float64")


def test_capture_repeats_its_work(be: Backend) -> None:
    total, step, product = be.zeros((4, 4), "float64"), be.zeros((4, 4), "float64"), be.zeros((4, 4), "float64")
    step.fill(1)

    def work() -> None:
        be.xp.add(total, step, out=total)
        be.gemm(total, step, product)

    work()
    again = be.capture(work)
    assert be.to_host(total).tolist() == np.full((4, 4), 1.0).tolist(), "capturing does none of the work"
    for count in range(2, 5):
        step.fill(count)
        again()
        expected = math.comb(count + 1, 2)
        assert be.to_host(total).tolist() == np.full((4, 4), float(expected)).tolist()
        assert be.to_host(product).tolist() == np.full((4, 4), 4.0 * expected * count).tolist()


def test_describe_is_text_by_name(be: Backend) -> None:
    described = be.describe()
    assert described["backend"] == be.name
    assert all(isinstance(value, str) and value for value in described.values())
