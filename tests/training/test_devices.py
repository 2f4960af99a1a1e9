"""A run that goes on with the other array library: named, asked for, and the same to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import RunError
from gpurnn.training.config import Limits
from gpurnn.training.session import resumed_run

from .alike import log_without_clock, tensors
from .test_resume import settings, train

WINDOWS, STOP = 20, 10
LOSS = {"float32": 1e-6, "float64": 1e-12}  # relative
PARAMETERS = {"float32": 2e-5, "float64": 1e-12}  # of the largest


@pytest.mark.parametrize("dtype", LOSS)
@pytest.mark.parametrize("begins", ["cpu", "cuda"])
def test_a_checkpoint_goes_on_on_the_other_device(
    cuda: Backend, corpus: Corpus, tmp_path: Path, begins: str, dtype: str
) -> None:
    config = settings(corpus, lanes=4, bptt=6, log_every=2, validate_every=10)
    config = replace(config, model=replace(config.model, hidden=8, dtype=dtype))
    config = replace(config, schedule=replace(config.schedule, lr=0.002))
    first, second = (backend.get("cpu"), cuda) if begins == "cpu" else (cuda, backend.get("cpu"))
    train(first, corpus, config, tmp_path / "whole", WINDOWS)
    train(first, corpus, config, tmp_path / "parts", STOP)
    was, now = ("cpu", "cuda") if begins == "cpu" else ("cuda", "cpu")
    with pytest.raises(RunError, match=rf"backend: was {was}, is {now}.*go on all the same with `allow_inexact`"):
        resumed_run(second, tmp_path / "parts", pytest.fail)
    warnings: list[str] = []
    resumed_run(second, tmp_path / "parts", warnings.append, allow_inexact=True).run(Limits(windows=WINDOWS))
    (line,) = warnings
    assert f"backend: was {was}, is {now}" in line

    one, other = (log_without_clock(tmp_path / name) for name in ("whole", "parts"))
    assert [entry["window"] for entry in one] == [entry["window"] for entry in other]
    for key in ("nats_per_token", "valid_nats_per_token"):
        expected = [entry[key] for entry in one if key in entry]
        np.testing.assert_allclose([entry[key] for entry in other if key in entry], expected, rtol=LOSS[dtype])
    mine, theirs = tensors(tmp_path / "whole", WINDOWS), tensors(tmp_path / "parts", WINDOWS)
    for name in mine:
        if name.startswith(("layers.", "output.", "state.")):
            scale = float(np.abs(mine[name]).max())
            np.testing.assert_allclose(theirs[name], mine[name], rtol=0, atol=scale * PARAMETERS[dtype], err_msg=name)


def without_a_device(*command: str) -> subprocess.CompletedProcess[str]:
    """Run it where cupy is installed and finds no GPU."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path(backend.__file__).parents[2])}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)


def test_cupy_without_a_device_is_no_hindrance(cuda: Backend, small_corpus: Path, tmp_path: Path) -> None:
    probe = "import gpurnn, sys; from gpurnn import backend; print('cupy' in sys.modules, backend.available())"
    done = without_a_device("-c", probe)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False ('cpu',)\n", "")

    run, size = tmp_path / "run", ("--hidden", "4", "--lanes", "2", "--bptt", "8", "--windows", "3")
    done = without_a_device("-m", "gpurnn", "train", str(small_corpus), "-o", str(run), *size)
    assert done.returncode == 0, done.stderr
    assert "on cpu (CuPy finds no usable GPU (cudaError" in done.stderr
    for command in ("evaluate", "sample"):
        arguments = ("--length", "5") if command == "sample" else ()
        done = without_a_device("-m", "gpurnn", command, str(run), *arguments)
        assert done.returncode == 0, done.stderr

    done = without_a_device("-m", "gpurnn", "train", "--resume", str(run), "--device", "cuda")
    assert done.returncode == 1
    assert done.stderr.startswith("gpurnn: device 'cuda': CuPy finds no usable GPU (")
    assert "pip install 'gpurnn[cuda12]' or 'gpurnn[cuda13]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
