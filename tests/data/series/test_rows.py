"""Rows in any order, sorted in runs on the disk and merged."""

from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.series import rows
from gpurnn.data.series.rows import RowSorter


@pytest.mark.parametrize(("run", "merge"), [(1 << 20, 1 << 20), (600, 1), (600, 1 << 20), (1, 1)])
@pytest.mark.parametrize("kind", ["sorted", "random", "all alike", "backwards"])
def test_rows_come_back_by_key_and_time_the_first_of_equal_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: int, merge: int, kind: str
):
    monkeypatch.setattr(rows, "RUN_BYTES", run)
    monkeypatch.setattr(rows, "_MERGE_BYTES", merge)
    monkeypatch.setattr(rows, "_FEWEST", 2)
    random = np.random.default_rng(4)
    count = 500
    keys, times = random.integers(0, 5, count).astype(np.uint32), random.integers(-40, 40, count)
    order = np.lexsort((times, keys))
    if kind != "random":
        keys, times = (keys[order], times[order]) if kind == "sorted" else (keys[order][::-1], times[order][::-1])
    if kind == "all alike":
        keys, times = np.zeros_like(keys), np.zeros_like(times)
    values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    sorter = RowSorter(tmp_path, 2)
    for start in range(0, count, 17):
        part = slice(start, start + 17)
        sorter.append(keys[part], times[part], values[part])
    assert len(sorter) == count
    found = sorter.finish()
    assert sorter.sorted == (kind in ("sorted", "all alike") or run == 1 << 20)
    assert list(tmp_path.iterdir()) == []  # its files have no names
    order = np.lexsort((times, keys))
    block = found.read(0, len(found))
    np.testing.assert_array_equal(block["key"], keys[order])
    np.testing.assert_array_equal(block["time"], times[order])
    firsts = np.flatnonzero(np.append(True, (np.diff(keys[order].astype(int)) != 0) | (np.diff(times[order]) != 0)))
    np.testing.assert_array_equal(block["values"][firsts], values[order][firsts])
    np.testing.assert_array_equal(np.sort(block["values"][:, 0]), values[:, 0])
    np.testing.assert_array_equal(found.read(7, 12), block[7:12])
    found.close()
