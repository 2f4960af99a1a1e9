"""What the benchmark holds against PyTorch on packed sequences. No peer is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench_lib import packed_ours
from bench_lib.packed import LENGTHS, Packed, check_packed, packed_cases, parameters, sequences


class Tracing:
    """A program whose loss is this for all cases but one."""

    def __init__(self, loss: float, other: int = -1) -> None:
        self.loss, self.other, self.asked = loss, other, 0

    def ask(self, do: str, case: dict[str, Any]) -> dict[str, Any]:
        assert do == "packed" and Packed(**case) == packed_cases()[self.asked]
        self.asked += 1
        return {"gradients": {"output.c": [1.0]}, "losses": [self.loss + (self.asked - 1 == self.other)]}


def test_each_case_is_said_and_what_differs_is_told():
    found = list(check_packed({"gpurnn": Tracing(1.0), "pytorch": Tracing(1.0, other=3), "jax": Tracing(5.0)}))
    assert [line.split(":")[0] for _, line in found] == list(map(str, packed_cases()))
    assert [ok for ok, _ in found] == [number != 3 for number in range(len(found))]
    assert not list(check_packed({"gpurnn": Tracing(1.0)}))


def test_the_cases_leave_no_cell_pool_or_direction_out():
    cases = packed_cases()
    assert len(set(cases)) == len(cases)
    assert {(each.cell, each.pool) for each in cases if each.both} == {
        (cell, pool) for cell in ("simple", "lstm", "gru") for pool in ("", "last", "mean", "max")
    }
    assert any(each.smoothing for each in cases) and not all(each.smoothing for each in cases)


@pytest.mark.parametrize("case", packed_cases(), ids=str)
def test_every_parameter_has_a_gradient_and_the_loss_is_the_mean_of_all_labels(
    case: Packed, monkeypatch: pytest.MonkeyPatch
):
    """The same whether sequences are packed in their order or in another one."""
    found = packed_ours.trace(case)
    assert set(found["gradients"]) == set(parameters(case))
    assert all(np.any(gradient) for gradient in found["gradients"].values())
    assert sum(len(labels) for _, labels in sequences(case)) == (len(LENGTHS) if case.pool else sum(LENGTHS))
    monkeypatch.setattr(packed_ours, "sequences", lambda case: sequences(case)[::-1])
    other = packed_ours.trace(case)
    np.testing.assert_allclose(other["losses"], found["losses"], rtol=1e-6)
    for name, gradient in found["gradients"].items():
        np.testing.assert_allclose(other["gradients"][name], gradient, rtol=1e-4, atol=1e-6)
