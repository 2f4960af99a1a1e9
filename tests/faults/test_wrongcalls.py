"""The short version of the wrong calls between guarded pages; larger counts go through the same function."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from backend.test_fused_parity import OPERATIONS

from faults import shim, wrongcalls
from gpurnn.backend.cpu import CpuBackend, _takes


def test_wrong_calls_are_refused_and_right_ones_are_not() -> None:
    report = shim.call("faults.wrongcalls:call_wrongly", preload=False, count=600, seed=1)
    assert report["violations"] == []
    assert report["wrong"] == 600
    assert report["right"] > 150


def test_a_call_that_is_accepted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gemm = CpuBackend.gemm

    def obliging(self: CpuBackend, *arrays: np.ndarray) -> None:
        with suppress(TypeError, ValueError):
            gemm(self, *arrays)

    monkeypatch.setattr(CpuBackend, "gemm", obliging)
    report = wrongcalls.call_wrongly(400, 1)
    assert report["violations"]
    assert all("gemm" in line and "accepted" in line for line in report["violations"])


def test_every_compiled_body_is_one_of_the_operations() -> None:
    be = CpuBackend()
    if be.describe()["pointwise"] != "compiled":
        pytest.skip("needs the compiled operations: install with a C compiler")
    exported = set(re.findall(rb"\b(\w+)_double_\w+_takes\b", Path(be._native.__file__).read_bytes()))
    assert {name.decode() for name in exported} <= OPERATIONS.keys()
    assert len(exported) >= 12  # "xent" may stand in the file as the end of another name
    for name in exported:
        op = OPERATIONS[name.decode()]
        assert be._native.has(f"{op.name}_float", _takes(op), be._set), f"{op.name}: written for other arguments"
