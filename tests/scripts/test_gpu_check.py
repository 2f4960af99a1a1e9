"""scripts/gpu_check: its smoke form on the emulated device, and what it says without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from gpu_check_lib import sizes

from gpurnn.backend import Backend

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """scripts/gpu_check without a GPU, with this Python."""
    environment = os.environ | {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [ROOT / "scripts" / "gpu_check", *arguments], capture_output=True, text=True, check=False, env=environment
    )


def test_smoke_measures_every_row_within_the_budgets(emulated: ModuleType, tmp_path: Path) -> None:
    done = run("--smoke", "--skip-tests", "--no-install", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    data, table = tmp_path / "smoke.json", tmp_path / "smoke.md"
    assert done.stdout.splitlines()[-1] == f"attach to a report: {data} and {table}"
    text = table.read_text()
    assert text in done.stdout and "emulated device: no timings" in text

    written = json.loads(data.read_text())
    assert written["emulated"] and written["note"] == "emulated device: no timings"
    assert written["suite"] is None and written["problems"] == []
    assert written["device"]["device"].startswith("emulated")
    assert written["programs"]["pytorch"].startswith("not compared: ")
    rows = written["rows"]
    runs = sizes.smoke().runs
    assert [(row["cell"], row["hidden"], row["tf32"], row["way"]) for row in rows] == [
        (case.cell, case.hidden, tf32, way) for case, tf32 in runs for way in sizes.WAYS
    ]
    for row in rows:
        assert row["seconds"] is None and row["tokens_per_second"] is None
        assert row["possible"] == (row["hidden"] == 8 or not row["way"].startswith("whole"))
        if row["possible"]:
            assert row["memory"] > 2**20
            within_budget(row)
            both_counts_agree(row)
        assert table_line(row) in text
    assert text.count("| eager ") == len(runs) + 1, "a line for each run, and a column"


def within_budget(row: dict[str, Any]) -> None:
    counts = row["counts"]
    most = {"eager": 4 * row["bptt"] + 20, "whole-window": 20}.get(row["way"], 3)
    assert 0 < counts["kernels"] <= most, row
    assert counts["graph_launches"] == ("graph" in row["way"])
    assert counts["malloc"] == 0
    assert 1 <= counts["h2d"] <= 2
    assert counts["sync"] <= 1


def both_counts_agree(row: dict[str, Any]) -> None:
    """A graph's nodes and wrapped calls, which is all there is on a GPU, and what the emulated device was asked for."""
    names = ["kernels", "graph_launches", "h2d", "malloc", "sync"]
    if row["way"] in ("eager", "whole-window"):  # the device sees into graphs, too
        names += ["d2d", "memset"]
    assert {name: row["counts"][name] for name in names} == {name: row["counters"][name] for name in names}
    inside = row["counters"]["graph_kernels"]
    assert inside > 9 if "graph" in row["way"] else inside == 0


def table_line(row: dict[str, Any]) -> str:
    """As the table has it, but for spaces that line it up: those are in the widths of the columns."""
    counts = row["counts"] or {}
    numbers = [counts.get(name) for name in ("kernels", "graph_launches", "h2d", "d2d", "malloc", "sync")]
    if counts:
        numbers[3] = counts["d2d"] + counts["memset"]
    words = ["-" if n is None else f"{n:g}" for n in numbers]
    widths = (18, 7, 6, 9, 2, 11, 5)
    return " | ".join(word.ljust(width) for word, width in zip([row["way"], *words], widths, strict=True))


def test_the_nodes_of_a_graph_are_counted_by_kind(cuda: Backend) -> None:
    import cupy
    from gpu_check_lib.counting import node_kinds

    a, b = cupy.zeros(8, "f"), cupy.ones(8, "f")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        cupy.add(a, b, out=a)
        stream.synchronize()
        stream.begin_capture()
        cupy.add(a, b, out=a)
        cupy.add(a, b, out=a)
        cupy.add(a, b, out=a)
        a.data.memset_async(0, a.nbytes, stream)
        a.data.copy_from_device_async(b.data, b.nbytes, stream)
        a.data.copy_from_device_async(b.data, b.nbytes, stream)
        graph = stream.end_capture()
    assert node_kinds(graph) == {"kernels": 3, "memset": 1, "d2d": 2}


def test_without_a_gpu_the_error_names_smoke() -> None:
    done = run()
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("scripts/gpu_check: no GPU was found; --smoke ")


def test_help_names_every_option() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--smoke", "--skip-tests", "--no-install", "--output"))
