"""Products of rounded factors: what they are rounded to, what is not rounded, and who refuses."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from backend.backend_windows import Runner, made_up
from backend.rounding import nearest_bf16, rounded_product
from threadpoolctl import threadpool_limits

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.bf16 import rounded
from gpurnn.backend.cpu import FORCED, CpuBackend, instructions
from gpurnn.exceptions import BackendError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS

SHAPES = ((1, 1, 1), (3, 5, 2), (1, 70, 33), (33, 17, 65), (2, 1000, 3), (50, 600, 100), (200, 31, 2080), (13, 64, 64))
EDGES = [
    *(0x00000000, 0x00000001, 0x00007FFF, 0x00008000, 0x00008001, 0x00018000, 0x007FFFFF, 0x00800000),  # subnormal
    *(0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000, 0x3F817FFF, 0x3FFFFFFF, 0x3FFF8000),  # 1 to 2
    *(0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF),  # to infinity
]
WAYS = ("numpy", "amx-bf16", "avx512-bf16")
"""NumPy on rounded factors, on any processor, and the instruction sets that do it."""


def bf16_by(way: str, threads: int = 2) -> CpuBackend:
    if way == "numpy":
        return CpuBackend(precision="bf16", compiled=False)
    if way not in [each.name for each in instructions("bf16")]:
        pytest.skip(f"{way}: not compiled here, or not of this processor")
    with threadpool_limits(threads, "blas"):
        return CpuBackend(precision="bf16", instructions=way)


@pytest.fixture(params=WAYS)
def bf16(request: pytest.FixtureRequest) -> CpuBackend:
    return bf16_by(request.param)


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


def given(m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(m + k + n)
    a, b, before = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n), (m, n)))
    return a, b, before


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_a_product_is_one_of_rounded_factors(bf16: CpuBackend, m: int, k: int, n: int, accumulate: bool) -> None:
    a, b, before = given(m, k, n)
    exact, apart = rounded_product(a, b, before if accumulate else None)
    for left, right, order in itertools.product((a, np.asfortranarray(a)), (b, np.asfortranarray(b)), "CF"):
        out = np.array(before, order=order) if accumulate else np.full((m, n), np.nan, np.float32, order=order)
        bf16.gemm(left, right, out, accumulate)
        assert within(out, exact, apart)
    plain = a.astype(float) @ b + (before if accumulate else 0)
    assert not within(plain, exact, apart), "the bound tells rounded factors from others"


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e-20, 1e18, 1e38])
def test_products_of_the_smallest_and_the_largest_numbers(bf16: CpuBackend, scale: float) -> None:
    """Subnormal numbers, factors or sums, may be taken for 0; sums beyond float32 are infinite."""
    a, b, _ = given(20, 70, 40)
    a *= np.float32(scale)
    exact, apart = rounded_product(a, b)
    out = np.empty((20, 40), np.float32)
    with np.errstate(all="ignore"):
        bf16.gemm(a, b, out)
    finite = np.isfinite(out)
    assert within(out[finite], exact[finite], apart[finite])
    assert (np.abs(a.astype(float)) @ np.abs(b))[~finite].min(initial=np.inf) > np.finfo(np.float32).max
    assert finite.all() or scale == 1e38


def test_what_is_not_finite_stays_so(bf16: CpuBackend) -> None:
    a, b, _ = given(20, 70, 40)
    a[3, 5], a[7, 69], b[2, 39] = np.inf, np.nan, -np.inf
    a[:3, 2], a[4:, 2] = 1, 1
    out = np.empty((20, 40), np.float32)
    with np.errstate(all="ignore"):
        bf16.gemm(a, b, out)
        expected = a @ b
    np.testing.assert_array_equal(np.where(np.isfinite(out), 0, out), np.where(np.isfinite(expected), 0, expected))


@pytest.mark.parametrize("way", WAYS[1:])
def test_every_element_has_its_bits_whatever_is_computed_beside_it(way: str) -> None:
    a, b, _ = given(150, 1100, 2200)
    whole = np.empty((150, 2200), np.float32)
    bf16_by(way, threads=1).gemm(a, b, whole)
    for threads in (2, 3):
        shared = np.empty_like(whole)
        bf16_by(way, threads).gemm(a, b, shared)
        np.testing.assert_array_equal(shared, whole)
    be = bf16_by(way)
    for rows, columns in ((slice(7, 8), slice(None)), (slice(None), slice(2081, 2083)), (slice(3, 60), slice(5, 100))):
        part = np.empty(whole[rows, columns].shape, np.float32)
        be.gemm(a[rows], b[:, columns], part)
        np.testing.assert_array_equal(part, whole[rows, columns])
    transposed = np.empty_like(whole, order="F")
    be.gemm(np.asfortranarray(a), np.asfortranarray(b), transposed)
    np.testing.assert_array_equal(transposed, whole)


def test_a_row_has_the_bits_of_its_product(bf16: CpuBackend) -> None:
    x, matrix, _ = given(1, 300, 200)
    bound, product = np.empty((2, 1, 200), np.float32)
    bf16.bind_row(matrix)(x, bound)
    bf16.gemm(x, matrix, product)
    np.testing.assert_array_equal(bound, product)


def test_products_of_float64_are_not_rounded(bf16: CpuBackend) -> None:
    a, b = np.random.default_rng(2).standard_normal((2, 9, 9))
    out = np.empty((9, 9))
    bf16.gemm(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rows", [9, 300])
def test_sums_of_gathered_rows_are_not_rounded(bf16: CpuBackend, rows: int) -> None:
    d_out = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
    index = np.array([2, 5, 2, 0])
    order = np.argsort(index, kind="stable")
    plan = backend.RowPlan(order, np.array([0, 1, 3, 0]), np.array([0, 2, 5, 0]), np.array([3]))
    d_table = np.empty((rows, 6), np.float32)
    bf16.row_gradient(4, rows, 6, "float32")(d_out, index, plan, d_table)
    expected = np.zeros((rows, 6))
    np.add.at(expected, index, d_out.astype(float))
    np.testing.assert_allclose(d_table, expected, rtol=0, atol=1e-6)


def windows_of(be: CpuBackend, cell: str, lanes: int = 5) -> list[dict[str, np.ndarray]]:
    config = ModelConfig(90, cell, hidden=71, layers=2, dropout=0.2)
    windows = [made_up(90, 6, lanes, index, boundary=index == 1) for index in range(3)]
    return Runner(be, config, lanes, 6).run(windows)


@pytest.mark.parametrize("cell", CELLS)
def test_windows_of_rounded_factors_are_near_to_those_without(bf16: CpuBackend, cell: str) -> None:
    """8 bits of each factor: differences of a few thousandths, in every gradient that a product makes.

    More with relu, whose derivative jumps where a unit is near to 0.
    """
    for found, plain in zip(windows_of(bf16, cell), windows_of(CpuBackend(compiled=False), cell), strict=True):
        for name, array in plain.items():
            distance = np.linalg.norm(found[name] - array) / np.linalg.norm(array)
            assert distance < (0.3 if "relu" in cell else 0.03), name
            if name in ("doutput.V", "dlayers.0.W", "dlayers.1.U", "dlayers.1.W"):
                assert distance > 1e-6, name


@pytest.mark.parametrize("lanes", [1, 5, 40])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("way", WAYS[1:])
def test_a_compiled_loop_has_the_bits_of_its_steps(
    way: str, cell: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any number of threads; and they are near to those of NumPy on rounded factors, as far as float32 goes.

    How near: a sum in another order can let a factor of the next product be rounded to the other side.
    """
    looped = [windows_of(bf16_by(way, threads), cell, lanes) for threads in (1, 2, 3)]
    monkeypatch.setattr(CpuBackend, "bind_loop", Backend.bind_loop)
    stepped = windows_of(bf16_by(way), cell, lanes)
    for found in looped:
        for window, expected in zip(found, stepped, strict=True):
            for name, array in expected.items():
                np.testing.assert_array_equal(window[name], array, err_msg=name)
    for window, emulated in zip(stepped, windows_of(bf16_by("numpy"), cell, lanes), strict=True):
        for name, array in emulated.items():
            distance = np.abs(window[name] - array).max() / np.abs(array).max()
            assert distance < (0.2 if "relu" in cell else 0.01), name


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


def test_the_precision_is_described_where_it_is_not_that_of_the_numbers(bf16: CpuBackend) -> None:
    assert "precision" not in CpuBackend().describe()
    assert (bf16.precision, bf16.describe()["precision"], bf16.arithmetic()["precision"]) == ("bf16",) * 3


def test_which_instructions_round_is_part_of_what_decides_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    names = [each.name for each in instructions("bf16")]
    if not names:
        pytest.skip("this processor has no such instructions, or nothing is compiled here")
    assert backend.get("cpu", precision="bf16").describe()["instructions"] == names[0]
    for name in names:
        assert CpuBackend(precision="bf16", instructions=name).arithmetic()["instructions"] == name
    with pytest.raises(BackendError, match=f"instructions x86-64-v3: .* have {', '.join(names)} for bf16"):
        CpuBackend(precision="bf16", instructions="x86-64-v3")
    with pytest.raises(BackendError, match=f"instructions {names[0]}: .* have .* for float32"):
        CpuBackend(instructions=names[0])


@pytest.mark.parametrize("precision", ["bfloat16", "", None, 16, "BF16"])
def test_a_precision_that_is_none_is_wrong_usage(precision: object) -> None:
    with pytest.raises(UsageError, match="expected one of float32, tf32, bf16"):
        backend.get("cpu", precision=precision)


def test_two_precisions_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="precision 'bf16' contradicts tf32; give one of them"):
        backend.get("cpu", precision="bf16", tf32=True)


@pytest.mark.parametrize(
    ("native", "why"),
    [
        (
            SimpleNamespace(instructions=lambda bf16: []),
            "this processor and this installation have neither AMX_BF16 nor",
        ),
        (None, "gpurnn was installed without a C compiler; use float32"),
    ],
)
def test_a_cpu_without_such_instructions_refuses_in_one_line(
    native: object, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpurnn.backend.cpu._native", native)
    with pytest.raises(BackendError, match=f"^cpu: precision bf16: {why}") as refused:
        backend.get("cpu", precision="bf16")
    assert str(refused.value).endswith("; use float32")
