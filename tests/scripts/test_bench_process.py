"""The benchmark's processes: what they answer, that they stand still in between, and what they say when they cannot."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from bench_lib.cases import Case
from bench_lib.check import difference
from bench_lib.process import THREADS, Process, ProgramError, environment
from bench_lib.quality import settings
from click.testing import CliRunner
from trained import make_corpus

from gpurnn.cli import main

CASE = Case("gru", 2, 3, 4, 5)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """gpurnn in its process."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    process = Process("gpurnn")
    yield process
    process.close()


def test_gpurnn_answers_every_request(ours: Process):
    assert "numpy" in ours.versions and ours.ways == [""]
    assert ours.ask("prepare", case=asdict(CASE))["seconds"] > 0
    assert ours.ask("run", windows=120, warm=2)["seconds"] > 0
    assert len(ours.ask("product", size=16, times=2)["gflops"]) == 2
    drawn = ours.ask("sample", hidden=8, symbols=20, seconds=0.02)
    assert drawn["symbols_per_second"][""] > 0 and drawn["growth"] < 8
    memory = ours.ask("memory", case=asdict(CASE), way="")
    assert 0 < memory["before"] <= memory["second_window"] <= memory["peak"]


def test_traces_repeat_themselves_and_learn(ours: Process):
    first, again = (ours.ask("trace", case=asdict(CASE), way="", windows=4) for _ in range(2))
    assert difference(first, again) == 0
    assert set(first["gradients"]) >= {"layers.0.U", "layers.0.W", "layers.0.b", "layers.0.b_h", "output.V", "output.c"}
    assert len(set(first["losses"])) == 4


def test_quality_is_the_loss_after_some_minutes_of_training(ours: Process, tmp_path: Path):
    corpus = make_corpus(tmp_path / "c.h5", ["to and fro, " * 2000])
    found = ours.ask("quality", corpus=str(corpus), minutes=0.02)
    assert found["windows"] >= 1
    assert 0 < found["nats_per_token"] < 2 * math.log(9)  # 9 characters; how much is learnt, the machine decides


def test_quality_has_the_settings_of_the_command(tmp_path: Path):
    corpus = make_corpus(tmp_path / "c.h5", ["to and fro, " * 50000])
    trained = CliRunner().invoke(main, ["train", str(corpus), "-o", str(tmp_path / "run"), "--windows", "1"])
    assert trained.exit_code == 0, trained.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"] == settings(9).to_json()


def test_a_failed_request_is_told_and_the_next_one_answered(ours: Process):
    with pytest.raises(ProgramError, match="gpurnn: UsageError: cell: expected one of"):
        ours.ask("prepare", case=asdict(Case("simple", 2, 3, 4, 5)) | {"cell": "none"})
    assert ours.ask("prepare", case=asdict(CASE))["way"] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_is_stopped_between_requests(ours: Process):
    ours.ask("prepare", case=asdict(CASE))
    status = Path(f"/proc/{ours.pid}/status")
    for _ in range(500):  # the signal is on its way
        if "State:\tT" in status.read_text():
            return
        time.sleep(0.01)
    pytest.fail(status.read_text())


@pytest.mark.parametrize(("peer", "library"), [("pytorch", "torch"), ("jax", "jax")])
def test_a_missing_peer_is_told(peer: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / f"{library}.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ProgramError, match=f"{peer}: cannot be imported: not here"):
        Process(peer)


def test_the_users_environment_is_kept_but_for_the_threads():
    inherited = {"HOME": "/h", "OPENBLAS_CORETYPE": "Zen", "OMP_NUM_THREADS": "64", "PYTHONPATH": "/mine"}
    made = environment("gpurnn", inherited)
    assert made["HOME"] == "/h" and made["OPENBLAS_CORETYPE"] == "Zen"
    assert made["OMP_NUM_THREADS"] == made["OPENBLAS_NUM_THREADS"] == str(THREADS)
    assert made["PYTHONPATH"].endswith(":/mine") and made["PYTHONPATH"].startswith(str(ROOT / "scripts"))
    assert "OPENBLAS_CORETYPE" not in environment("jax", {})


def test_numpy_chooses_its_kernel_and_has_all_threads():
    pinned = {"HOME": "/h", "OPENBLAS_CORETYPE": "Zen", "OPENBLAS_L2_SIZE": "512", "OPENBLAS_VERBOSE": "0"}
    made = environment("numpy", pinned)
    assert "OPENBLAS_CORETYPE" not in made and "OPENBLAS_L2_SIZE" not in made
    assert made["HOME"] == "/h" and made["OPENBLAS_VERBOSE"] == "0"
    assert made["OPENBLAS_NUM_THREADS"] == str(THREADS)


def test_numpy_answers_with_its_kernel_and_rates():
    process = Process("numpy")
    try:
        assert process.versions.startswith(f"numpy {np.__version__}; ") and "kernel" in process.versions
        assert process.ways == [] and all(rate > 0 for rate in process.ask("product", size=16, times=2)["gflops"])
    finally:
        process.close()
