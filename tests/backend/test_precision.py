"""Products of rounded factors: what they are rounded to, what is not rounded, and who refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from backend_windows import Runner, made_up
from rounding import nearest_bf16, rounded_product

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.bf16 import rounded
from gpurnn.backend.cpu import CpuBackend
from gpurnn.exceptions import BackendError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS

SHAPES = ((1, 1, 1), (3, 5, 2), (1, 70, 33), (33, 17, 65), (2, 1000, 3))
EDGES = [
    *(0x00000000, 0x00000001, 0x00007FFF, 0x00008000, 0x00008001, 0x00018000, 0x007FFFFF, 0x00800000),  # subnormal
    *(0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000, 0x3F817FFF, 0x3FFFFFFF, 0x3FFF8000),  # 1 to 2
    *(0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF),  # to infinity
]


@pytest.fixture
def emulated_bf16() -> CpuBackend:
    """Products of bfloat16 by NumPy, on any processor."""
    return CpuBackend(precision="bf16", compiled=False)


def test_rounding_to_bfloat16(be: Backend) -> None:
    drawn = np.random.default_rng(0).integers(0, 2**31, 3000)
    bits = np.concatenate([EDGES, drawn]).astype(np.uint32)
    x = np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)
    found = be.to_host(rounded(be.from_host(x)))
    expected = np.array([nearest_bf16(float(each)) for each in x])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found)[~np.isnan(x)], np.signbit(x)[~np.isnan(x)])


def test_rounding_takes_any_layout_and_leaves_what_it_is_given(be: Backend) -> None:
    x = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    given = be.from_host(x)
    found = be.to_host(rounded(given.T[1::2]))
    np.testing.assert_array_equal(found, np.vectorize(nearest_bf16, otypes=[np.float32])(x.T[1::2]))
    np.testing.assert_array_equal(be.to_host(given), x)


def within(found: np.ndarray, exact: np.ndarray, apart: np.ndarray) -> bool:
    return bool((np.abs(found - exact) <= apart).all())


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_a_product_is_one_of_rounded_factors(
    emulated_bf16: CpuBackend, m: int, k: int, n: int, accumulate: bool
) -> None:
    rng = np.random.default_rng(k)
    a, b, before = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n), (m, n)))
    exact, apart = rounded_product(a, b, before if accumulate else None)
    for left, right in itertools.product((a, np.asfortranarray(a)), (b, np.asfortranarray(b))):
        out = before.copy() if accumulate else np.full((m, n), np.nan, np.float32)
        emulated_bf16.gemm(left, right, out, accumulate)
        assert within(out, exact, apart)
    plain = a.astype(float) @ b + (before if accumulate else 0)
    assert not within(plain, exact, apart), "the bound tells rounded factors from others"


def test_products_of_float64_are_not_rounded(emulated_bf16: CpuBackend) -> None:
    a, b = np.random.default_rng(2).standard_normal((2, 9, 9))
    out = np.empty((9, 9))
    emulated_bf16.gemm(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rows", [9, 300])
def test_sums_of_gathered_rows_are_not_rounded(emulated_bf16: CpuBackend, rows: int) -> None:
    d_out = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
    index = np.array([2, 5, 2, 0])
    order = np.argsort(index, kind="stable")
    plan = backend.RowPlan(order, np.array([0, 1, 3, 0]), np.array([0, 2, 5, 0]), np.array([3]))
    d_table = np.empty((rows, 6), np.float32)
    emulated_bf16.row_gradient(4, rows, 6, "float32")(d_out, index, plan, d_table)
    expected = np.zeros((rows, 6))
    np.add.at(expected, index, d_out.astype(float))
    np.testing.assert_allclose(d_table, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_window_of_rounded_factors_is_near_to_one_without(emulated_bf16: CpuBackend, cell: str) -> None:
    """8 bits of each factor: differences of a few thousandths, in every gradient that a product makes."""
    config, window = ModelConfig(11, cell, hidden=16, layers=2, dropout=0.2), made_up(11, 6, 3, 0, boundary=True)
    results = []
    for be in (emulated_bf16, CpuBackend(compiled=False)):
        runner = Runner(be, config, 3, 6)
        runner.load(window)
        runner.work()
        results.append(runner.results())
    found, plain = results
    for name, array in plain.items():
        distance = np.abs(found[name] - array).max() / np.abs(array).max()
        assert distance < 0.03, name
        if name in ("doutput.V", "dlayers.0.W", "dlayers.1.U", "dlayers.1.W"):
            assert distance > 1e-6, name


def test_tf32_is_off_unless_asked_for(cuda: Backend) -> None:
    assert (cuda.describe()["tf32"], cuda.precision) == ("off", "float32")
    for asked in ({"tf32": True}, {"precision": "tf32"}, {"precision": "tf32", "tf32": True}):
        be = backend.get("cuda", **asked)
        assert (be.describe()["tf32"], be.precision) == ("on", "tf32")


def test_a_gpu_has_no_bfloat16_yet(cuda: Backend) -> None:
    with pytest.raises(BackendError, match=r"^cuda:0: precision bf16 is not there for a GPU yet; use tf32$"):
        backend.get("cuda", precision="bf16")


def test_a_cpu_leaves_tf32_alone() -> None:
    plain = backend.get("cpu").describe()
    for asked in ({"tf32": True}, {"precision": "tf32"}):
        be = backend.get("cpu", **asked)
        assert (be.describe(), be.precision) == (plain, "float32")


def test_the_precision_is_described_where_it_is_not_that_of_the_numbers(emulated_bf16: CpuBackend) -> None:
    plain = CpuBackend(compiled=False).describe()
    assert "precision" not in plain
    assert emulated_bf16.describe() == plain | {"precision": "bf16"}


@pytest.mark.parametrize("precision", ["bfloat16", "", None, 16, "BF16"])
def test_a_precision_that_is_none_is_wrong_usage(precision: object) -> None:
    with pytest.raises(UsageError, match="expected one of float32, tf32, bf16"):
        backend.get("cpu", precision=precision)


def test_two_precisions_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="precision 'bf16' contradicts tf32; give one of them"):
        backend.get("cpu", precision="bf16", tf32=True)


def test_a_cpu_without_such_products_refuses_in_one_line() -> None:
    with pytest.raises(BackendError, match=r"^cpu: precision bf16: there are no compiled products .*; use float32$"):
        backend.get("cpu", precision="bf16")
