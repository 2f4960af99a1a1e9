"""A trained model out of a run: which checkpoint it is, where it computes, and who is told of a damaged one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from trained import documents, make_corpus, make_run, refuse

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import CheckpointError
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.load import Trained, load_trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    return make_run(backend.get("cpu"), make_corpus(folder / "made.h5", documents(8)), folder / "run")


def parameters(trained: Trained) -> np.ndarray:
    return trained.model.be.to_host(trained.model.params.value["output.V"])


def test_the_best_one_is_loaded_to_the_best_device_unless_told_otherwise(run: Path):
    best, last = (
        read_checkpoint(path) for path in (run / "best.safetensors", *sorted((run / "checkpoints").iterdir())[-1:])
    )
    assert (best.header["progress"]["windows"], last.header["progress"]["windows"]) == (10, 12)
    for source in (run, str(run), run / "best.safetensors"):
        loaded = load_trained(source)
        assert np.array_equal(parameters(loaded), best.tensors["output.V"])
        assert loaded.model.be.device == backend.get("auto").device
    assert np.array_equal(parameters(load_trained(run, checkpoint="last")), last.tensors["output.V"])
    assert np.array_equal(parameters(load_trained(run, checkpoint=str(last.path))), last.tensors["output.V"])


def test_it_computes_where_it_is_told_to(be: Backend, run: Path):
    assert load_trained(run, be, on_warning=refuse).model.be is be


def test_a_damaged_checkpoint_is_logged_unless_told_otherwise(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    copy = tmp_path / "run"
    for path in (run / "config.json", *sorted((run / "checkpoints").iterdir())):
        (copy / path.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(run)).write_bytes(path.read_bytes())
    damaged = max((copy / "checkpoints").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        load_trained(copy, checkpoint="last")
    (line,) = caplog.messages
    assert str(damaged) in line
    told: list[str] = []
    load_trained(copy, checkpoint="last", on_warning=told.append)
    assert told == [line]
    with pytest.raises(CheckpointError, match="is not an intact checkpoint"):
        load_trained(damaged)
