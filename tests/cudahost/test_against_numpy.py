"""CuPy's own operations on the emulated device give what NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

rng = np.random.default_rng(0)
X = rng.standard_normal((37, 130)).astype("f")
Y = rng.standard_normal((130, 40)).astype("f")
ROW = rng.standard_normal(130).astype("f")
INDEX = rng.integers(0, 37, 200)

OPERATIONS: dict[str, Callable[[Any, Any, Any, Any, Any], Any]] = {
    "broadcast": lambda xp, x, y, row, index: x * row + 2,
    "tanh": lambda xp, x, y, row, index: xp.tanh(x),
    "sigmoid": lambda xp, x, y, row, index: 1 / (1 + xp.exp(-x)),
    "where": lambda xp, x, y, row, index: xp.where(x > 0, x, xp.clip(x, -0.5, 1)),
    "transposed copy": lambda xp, x, y, row, index: xp.ascontiguousarray(x.T),
    "float64": lambda xp, x, y, row, index: xp.sqrt(x.astype("d") ** 2),
    "sum of all": lambda xp, x, y, row, index: x.sum(),
    "sum of columns": lambda xp, x, y, row, index: x.sum(axis=0),
    "largest": lambda xp, x, y, row, index: x.max(axis=1, keepdims=True),
    "argmax": lambda xp, x, y, row, index: x.argmax(axis=1),
    "take": lambda xp, x, y, row, index: xp.take(x, index, axis=0),
    "fancy index": lambda xp, x, y, row, index: x[index, 3],
    "cumsum": lambda xp, x, y, row, index: xp.cumsum(x[0]),
    "matmul": lambda xp, x, y, row, index: x @ y,
    "matmul transposed": lambda xp, x, y, row, index: x.T @ (x @ y),
    "matmul float64": lambda xp, x, y, row, index: x.astype("d") @ y.astype("d"),
    "matrix times vector": lambda xp, x, y, row, index: x @ row,
    "vector times matrix": lambda xp, x, y, row, index: row @ y,
    "scalar product": lambda xp, x, y, row, index: xp.dot(row, y[:, 1]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(emulated, name: str) -> None:
    import cupy

    operation = OPERATIONS[name]
    wanted = np.asarray(operation(np, X, Y, ROW, INDEX))
    found = cupy.asnumpy(operation(cupy, *map(cupy.asarray, (X, Y, ROW, INDEX))))
    assert found.dtype == wanted.dtype
    tolerance = 1e-10 if wanted.dtype == np.float64 else 2e-4
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def test_gemm_scales_and_accumulates(emulated) -> None:
    import cupy
    from cupy import cublas

    out = cupy.ones((37, 40), "f")
    cublas.gemm("N", "N", cupy.asarray(X), cupy.asarray(Y), out=out, alpha=2.0, beta=3.0)
    np.testing.assert_allclose(out.get(), 2 * (X @ Y) + 3, rtol=1e-4, atol=1e-4)


def test_elementwise_kernel(emulated) -> None:
    import cupy

    gate = cupy.ElementwiseKernel("T x, T y", "T g, T h", "g = T(1) / (T(1) + exp(-x)); h = g * tanh(y)", "gate")
    g, h = gate(cupy.asarray(X), cupy.asarray(ROW))
    wanted = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(g.get(), wanted, rtol=1e-5)
    np.testing.assert_allclose(h.get(), wanted * np.tanh(ROW), rtol=1e-5, atol=1e-6)
