"""A fixed tiny model of each cell computes what it did when the goldens were written; see make_goldens.py."""

from __future__ import annotations

import json

import pytest

from gpurnn.backend import Backend
from gpurnn.network.cells import CELLS

from .make_goldens import GOLDENS, measure


def test_every_cell_has_goldens():
    assert set(json.loads(GOLDENS.read_text(encoding="utf-8"))) == set(CELLS)


@pytest.mark.parametrize("cell", list(CELLS))
def test_goldens(be: Backend, cell: str):
    expected = json.loads(GOLDENS.read_text(encoding="utf-8"))[cell]
    found = measure(be, cell)
    assert set(found) == set(expected)
    assert all(value > 0 for value in expected.values()), "a golden of 0 shows nothing"
    wrong = {n: (found[n], value) for n, value in expected.items() if found[n] != pytest.approx(value, rel=1e-10)}
    assert not wrong, f"(found, expected): {wrong}"
