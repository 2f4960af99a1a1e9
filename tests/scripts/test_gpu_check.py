"""scripts/gpu_check: its smoke form on the emulated device, and what it says without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from bench_lib.cases import GATES, Case
from gpu_check_lib import model, running
from gpu_check_lib.row import Context, Row
from gpu_check_lib.ways import WAYS

from gpurnn.backend import Backend
from gpurnn.network.cells import CELLS

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """scripts/gpu_check without a GPU, with this Python."""
    environment = os.environ | {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [ROOT / "scripts" / "gpu_check", *arguments], capture_output=True, text=True, check=False, env=environment
    )


CUT = ["environment", "lstm-2-4-8-20", "lstm-1-2-160-5", "loss", "parts-lstm-2-4-8-20", "host", "micro-shared"]
CUT += ["micro-l2", "micro-node", "micro-products", "micro-barrier-1", "micro-barrier-16", "launches", "memcheck"]
"""All but the tests, which run anyway, and the start of further processes."""


def test_smoke_answers_every_kind_of_row(emulated: ModuleType, tmp_path: Path) -> None:
    done = run("--smoke", "--no-install", "--rows", ",".join(CUT), "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    data, table = tmp_path / "smoke.json", tmp_path / "smoke.md"
    assert done.stdout.splitlines()[-1] == f"attach to a report: {data} and {table}"
    text = table.read_text()
    assert text in done.stdout and "emulated device: no timings" in text

    written = json.loads(data.read_text())
    assert written["complete"] and written["emulated"] and written["note"] == "emulated device: no timings"
    assert written["problems"] == []
    assert written["device"]["device"].startswith("emulated")
    assert written["programs"]["pytorch"].startswith("not compared: ")
    rows = {row["name"]: row for row in written["rows"]}
    left_out = {"memcheck": "compute-sanitizer looks into a real GPU", "micro-barrier-16": "one block after the other"}
    assert rows.keys() == set(CUT)
    for name, row in rows.items():
        assert row["status"] == ("left_out" if name in left_out else "done"), row
        assert left_out.get(name, "") in (row["reason"] or "")

    whole, loop = rows["lstm-2-4-8-20"]["variants"], rows["lstm-1-2-160-5"]["variants"]
    assert list(whole) == list(loop) == ["float32", "TF32"]
    for variant in whole.values():
        assert (variant["path"], variant["why"], variant["seconds"]) == ("captured whole window", "", None)
    for variant in loop.values():
        assert variant["path"] == "captured loop" and "KiB of shared memory; a block has" in variant["why"]
    losses = rows["loss"]["losses"]
    assert {(row["cell"], row["hidden"], row["way"], row["tf32"]) for row in losses} == {
        (cell, hidden, way, tf32)
        for cell, hidden in [*((cell, 8) for cell in GATES), ("lstm", 160)]
        for way in (WAYS if hidden == 8 else WAYS[:2])
        for tf32 in (False, True)
    }
    assert all(0 <= row["distance"] < 1e-6 and row["last"] < 3.5 for row in losses)
    assert len({row["cpu"] for row in losses}) == 4, "another case has another loss"
    assert set(rows["parts-lstm-2-4-8-20"]["parts"]) >= {"recurrent forward", "recurrent backward", "update"}
    launches = rows["launches"]["launches"]
    assert len(launches) == 4 * len(WAYS)
    for row in launches:
        assert row["possible"] == (row["hidden"] == 8 or not row["way"].startswith("whole"))
        if row["possible"]:
            within_budget(row)
            both_counts_agree(row)


def test_a_kernel_that_writes_out_of_bounds_is_its_rows_failure(emulated: ModuleType, tmp_path: Path) -> None:
    paths = [str(ROOT / "tests" / "scripts"), os.environ.get("PYTHONPATH", "")]
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(paths)):
        found = running.run(Row("bad", "", "planted:out_of_bounds"), Context(True, sys.executable))
        after = running.run(Row("good", "", "planted:good"), Context(True, sys.executable))
    assert found["status"] == "failed" and "illegal memory access" in found["reason"]
    assert after["status"] == "done"


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("gpu", ["H100", "A100", "RTX 4090", "T4"])
def test_the_model_takes_the_path_that_the_device_would(cuda: Backend, cell: str, gpu: str) -> None:
    """But for what the compiler spills, which no model knows."""
    from gpurnn.backend.cuda.persistent import Layout, fit

    card = model.GPUS[gpu]
    for hidden in (8, 33, 64, 100, 128, 136, 200, 256, 288, 320, 512):
        ops = CELLS[cell].persistent or ()
        held = [fit(op, {"H": hidden}, model.REGISTERS, card.shared_kib * 1024, lambda plan: 0) for op in ops]
        expected = "whole window" if all(isinstance(plan, Layout) for plan in held) else "loop"
        assert model.window(Case(cell, 4, 4, hidden, 9), card, tf32=False).path == expected, hidden


def within_budget(row: dict[str, Any]) -> None:
    counts = row["counts"]
    most = {"eager": 4 * row["bptt"] + 22, "whole-window": 22}.get(row["way"], 3)
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
    assert all(
        option in done.stdout for option in ("--smoke", "--minutes", "--rows", "--list", "--no-install", "--output")
    )
