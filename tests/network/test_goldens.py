"""A fixed tiny model of each cell computes what it did when the goldens were written; see make_goldens.py."""

from __future__ import annotations

import json

import outside_cell
import pytest

from gpurnn.backend import Backend

from .make_goldens import GOLDENS, measure

OURS = outside_cell.of_the_package()


def test_every_cell_of_the_package_has_goldens():
    assert set(json.loads(GOLDENS.read_text(encoding="utf-8"))) == set(OURS)


@pytest.mark.parametrize("cell", OURS)
def test_goldens(be: Backend, cell: str):
    expected = json.loads(GOLDENS.read_text(encoding="utf-8"))[cell]
    found = measure(be, cell)
    assert set(found) == set(expected)
    assert all(value > 0 for value in expected.values()), "a golden of 0 shows nothing"
    wrong = {n: (found[n], value) for n, value in expected.items() if found[n] != pytest.approx(value, rel=1e-10)}
    assert not wrong, f"(found, expected): {wrong}"
