"""The instruction sets of compiled bodies: each computes what NumPy does, and those that fuse give the same bits.

What a processor lacks is not run here: the tests of this file say which sets those are.
"""

from __future__ import annotations

import numpy as np
import outside_cell
import pytest
import test_fused_parity as fused
from backend.backend_windows import Runner, made_up
from backend.processes import python
from threadpoolctl import threadpool_limits

from gpurnn.backend import Backend, FusedOp, get
from gpurnn.backend.cpu import FORCED, CpuBackend, instructions
from gpurnn.exceptions import BackendError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.heads import SOFTMAX_XENT, XENT
from gpurnn.training import optimizer
from gpurnn.training.control import Setting

SETS = instructions()
NAMES = [each.name for each in SETS]
FUSING = [each.name for each in SETS if each.fuses]

pytestmark = pytest.mark.skipif(not SETS, reason="needs the compiled operations: install with a C compiler")


def cpu(name: str, threads: int = 1) -> CpuBackend:
    with threadpool_limits(threads, "blas"):
        return CpuBackend(instructions=name)


@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3", "x86-64", "arm64", "generic"])
def test_sets_that_are_not_tested_here_are_said(name: str) -> None:
    if name not in NAMES:
        pytest.skip(f"{name}: not compiled here, or not of this processor")
    assert cpu(name).describe()["instructions"] == name


def test_the_best_set_is_taken_unless_another_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORCED, raising=False)
    assert get("cpu").describe()["instructions"] == NAMES[0]
    monkeypatch.setenv(FORCED, "")
    assert get("cpu").describe()["instructions"] == NAMES[0]
    monkeypatch.setenv(FORCED, NAMES[-1])
    assert get("cpu").describe()["instructions"] == NAMES[-1]
    assert CpuBackend(instructions=NAMES[0]).describe()["instructions"] == NAMES[0]
    assert "instructions" not in CpuBackend(compiled=False).describe()


def test_a_set_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match=f"instructions x86-64-v9: .* have {', '.join(NAMES)}"):
        CpuBackend(instructions="x86-64-v9")
    monkeypatch.setenv(FORCED, "sse9")
    with pytest.raises(BackendError, match=f"sse9: .* have .*{NAMES[-1]}"):
        get("cpu")


@pytest.mark.parametrize("number", [-1, 7, 1 << 40])
def test_the_module_runs_no_set_that_is_not_there(number: int) -> None:
    be, a = cpu(NAMES[0]), np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match=r"instruction set -?\d+: there is none"):
        be._native.gemm(a, a, np.empty_like(a), False, 1, number)


def test_only_sets_that_round_otherwise_are_part_of_what_decides_the_bits() -> None:
    described = [cpu(name).arithmetic() for name in NAMES]
    for each, arithmetic in zip(SETS, described, strict=True):
        assert "instructions" not in arithmetic
        assert ("rounding" in arithmetic) is not each.fuses
    assert all(arithmetic == described[0] for arithmetic, each in zip(described, SETS, strict=True) if each.fuses)


def products(name: str, dtype: str, rows: int, threads: int = 1) -> list[np.ndarray]:
    """Products with so many rows: every form that a matrix can stand in, widths around those of tiles and blocks."""
    be, rng, found = cpu(name, threads), np.random.default_rng(rows), []
    for depth, columns in ((1, 1), (5, 31), (257, 33), (40, 64), (3, 129), (300, 130), (64, 1030)):
        a, b = rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
        for left in (a, np.asfortranarray(a)):
            for right in (b, np.asfortranarray(b)):
                out = np.full((rows, columns), np.nan, dtype)
                be.gemm(left, right, out)
                exact = a.astype(np.float64) @ b
                scale = np.abs(a.astype(np.float64)) @ np.abs(b)
                assert np.all(np.abs(out - exact) <= 4 * depth * np.finfo(dtype).eps * scale)
                be.gemm(left, right, out, accumulate=True)
                assert np.all(np.abs(out - 2 * exact) <= 8 * (depth + 1) * np.finfo(dtype).eps * scale)
                found.append(out)
    return found


@pytest.mark.parametrize("rows", [*range(1, 15), 50, 200])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_any_height(dtype: str, rows: int) -> None:
    expected = products(NAMES[0], dtype, rows)
    for name in NAMES[1:]:
        found = products(name, dtype, rows, threads=2)
        if name in FUSING:
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("dtype", fused.TOLERANCE)
@pytest.mark.parametrize("operation", fused.OPERATIONS)
def test_every_operation_in_every_set(operation: str, dtype: str) -> None:
    """Against the NumPy-style bodies, and those that fuse to the bit. Widths with and without a rest."""
    for sizes in fused.SIZES:
        fused.agree([cpu(name) for name in NAMES], operation, sizes, dtype)
        op, dims = fused.OPERATIONS[operation], fused.dims_of(fused.OPERATIONS[operation], sizes)
        host = fused.arguments_of(op, dims, dtype, np.random.default_rng(3))
        found = [fused.outcome(cpu(name), op, dims, dtype, host) for name in FUSING]
        for other in found[1:]:
            for one, same in zip(found[0], other, strict=True):
                np.testing.assert_array_equal(one, same, err_msg=operation)


COMPILED = [cell for cell in CELLS.values() if cell is not outside_cell.CELL]
ELEMENTWISE = [op.name for cell in COMPILED for op in (cell.forward, cell.backward)]
ELEMENTWISE += [SOFTMAX_XENT.name, XENT.name, *(op.name for op in optimizer.OPTIMIZERS.values())]
ELEMENTWISE += ["absolute_with_error", "huber_with_error", "squared_with_error"]
WIDTHS = [*range(1, 36), 47, 48, 49, 63, 64, 65, 70]
"""Every rest of the widest vectors, of 16 elements, behind none, one and two of them; some behind three and four."""
IN_TURN = [op.name for op in fused.OPERATIONS.values() if op.in_turn or op.apart]


def along(op: FusedOp, size: int, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Views (n, size) of those arrays whose last axis is H, a multiple of it, K or P."""
    named = zip(op.arguments.items(), arrays, strict=True)
    return {name: array.reshape(-1, size) for (name, of), array in named if of.shape[-1][-1] in "HKP"}


@pytest.mark.parametrize("dtype", fused.TOLERANCE)
@pytest.mark.parametrize("operation", ELEMENTWISE)
def test_where_an_element_stands_changes_no_bit(operation: str, dtype: str) -> None:
    """At each size, whether it is in a loop's vectors or in its rest; and the same bits from every set that fuses."""
    op, period = fused.OPERATIONS[operation], 3
    for size in WIDTHS:
        dims, again = fused.dims_of(op, {"B": 2, "H": size, "K": size, "N": 3, "P": size}), np.arange(size) % period
        host = fused.arguments_of(op, dims, dtype, np.random.default_rng(size))
        of = dict(zip(op.arguments, host, strict=True))
        for values in along(op, size, host).values():
            values[...] = values[:, again]
        if "target" in of:
            of["target"][...] = size - 1  # what becomes of the last element is then another computation
        if "settings" in of:
            of["settings"][Setting.MATRICES] = size  # all elements have weight decay, or none
        first: list[np.ndarray] = []
        for each in SETS:
            found = fused.outcome(cpu(each.name), op, dims, dtype, host)
            for name, values in along(op, size, found).items():
                np.testing.assert_array_equal(
                    values[:, :-1], values[:, again][:, :-1], err_msg=f"{each.name}: {name}, {size}"
                )
            first = first or found
            for name, one, same in zip(op.arguments, first, found, strict=True):
                if each.fuses:
                    np.testing.assert_array_equal(one, same, err_msg=f"{each.name}: {name}, {size}")


@pytest.mark.parametrize("dtype", fused.TOLERANCE)
@pytest.mark.parametrize("operation", [name for name in ELEMENTWISE if "ward" not in name] + IN_TURN)
def test_how_many_threads_share_an_operation_changes_no_bit(operation: str, dtype: str) -> None:
    op = fused.OPERATIONS[operation]
    dims = fused.dims_of(op, {"B": 5, "C": 41, "H": 61, "K": 301, "L": 40, "N": 300, "P": 90_001, "Q": 30})
    host = fused.arguments_of(op, dims, dtype, np.random.default_rng(5))
    for each in SETS:
        alone = fused.outcome(cpu(each.name), op, dims, dtype, host)
        for threads in (2, 3, 5):
            shared = fused.outcome(cpu(each.name, threads), op, dims, dtype, host)
            for name, one, same in zip(op.arguments, alone, shared, strict=True):
                np.testing.assert_array_equal(one, same, err_msg=f"{each.name}: {name}, {threads} threads")


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 12, 21])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_window_in_every_set(cell: str, dtype: str, lanes: int) -> None:
    config = ModelConfig(symbols=90, cell=cell, hidden=71, layers=2, dropout=0.3, dtype=dtype)
    windows = [made_up(90, 6, lanes, index, boundary=index == 1) for index in range(3)]

    def run(be: Backend) -> list[dict[str, np.ndarray]]:
        return Runner(be, config, lanes, 6).run(windows)

    plain = run(CpuBackend(compiled=False))
    first = run(cpu(NAMES[0]))
    for name in NAMES:
        found = run(cpu(name, threads=2))
        for window, one, exact in zip(found, first, plain, strict=True):
            for array in one:
                if name in FUSING:
                    np.testing.assert_array_equal(window[array], one[array], err_msg=f"{name}: {array}")
                scale = max(1.0, np.abs(exact[array]).max())
                tolerance = scale * (2e-5 if dtype == "float32" else 1e-12)
                np.testing.assert_allclose(window[array], exact[array], rtol=0, atol=tolerance, err_msg=array)


def test_the_environment_decides_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED, NAMES[-1])
    assert python("from gpurnn import backend; print(backend.get('cpu').describe()['instructions'])") == NAMES[-1]
