"""The short version of the wrong calls between guarded pages; larger counts go through the same function."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from backend.test_fused_parity import OPERATIONS

import gpurnn
from faults import shim, wrongcalls
from gpurnn.backend.cpu import CpuBackend
from gpurnn.backend.declared import body_takes


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
    table = (Path(gpurnn.__file__).parent / "operations.c").read_text()
    compiled = set(re.findall(r'\{"(\w+)",', table))
    assert len(compiled) >= 17
    for name in compiled:
        takes = body_takes(OPERATIONS[name])
        for size in (4, 8):
            assert be._native.has(name, takes, be._set, size), f"{name}: written for other arguments"
        assert not be._native.has(name, takes + " (N)", be._set, 4)
        assert not be._native.has(f"{name}_", takes, be._set, 4)
