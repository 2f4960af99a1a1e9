"""Files of gpurnn as it was on 25 November 2026 (tests/goldens/earlier) are read, gone on with and sampled as then.

There and then they were made by

    gpurnn prepare text.txt -o corpus.hdf5 --document-separator % --split 0.8,0.2,0
    gpurnn train corpus.hdf5 -o run --cell gru --dtype float64 --hidden 4 --layers 2 --embedding 3 --dropout 0.1 \
        --lanes 3 --bptt 8 --lr 0.03 --log-every 5 --validate-every 8 --decay-patience 1 --windows 21 --seed 5
    cp -r run later; gpurnn train --resume later --windows 48

and of the checkpoints the last one is kept. They are never written anew: what they show is that old files stay good.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
from gpurnn.evaluation.language_model import evaluate
from gpurnn.generation.generate import generate
from gpurnn.runs.checkpoint import Checkpoint, read_checkpoint
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.load import load_trained
from gpurnn.training.session import resumed_run

from .alike import log_without_clock

EARLIER = Path(__file__).resolve().parent.parent / "goldens" / "earlier"
ADDED_SETTINGS = {"restart": 0.0, "judged_lanes": "all"}
ADDED_TO_LOG = {"stuck_lanes", "median_nats_per_token", "clipped_windows", "gradient_norm_max", "update_ratio"}
ADDED_TENSORS = {"optimizer.since_line"}
CLOSE = 1e-9
"""Processors and libraries round differently in the last bits, which 27 windows make larger."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the run after 21 windows."""
    return Path(shutil.copytree(EARLIER / "run", tmp_path / "run"))


def checkpoint(path: Path, window: int) -> Checkpoint:
    return read_checkpoint(path / "checkpoints" / f"window-{window:010}.safetensors")


def test_the_corpus_is_whole_and_is_what_prepare_makes_of_its_text(tmp_path: Path):
    prepare([EARLIER / "text.txt"], tmp_path / "now.h5", document_separator="%", split=(0.8, 0.2, 0))
    with Corpus.open(EARLIER / "corpus.hdf5") as then, Corpus.open(tmp_path / "now.h5") as now:
        then.verify()
        assert then.fingerprint == now.fingerprint  # a digest of all that a corpus holds


def test_the_settings_are_kept_byte_by_byte_but_for_those_that_came_later(run: Path):
    written = json.loads((run / "config.json").read_text())["training"]
    now = TrainConfig.from_json(written, "config.json").to_json()
    assert {name: now.pop(name) for name in ADDED_SETTINGS} == ADDED_SETTINGS
    assert json.dumps(now) == json.dumps(written)  # in the same order, with the same digits


def test_it_goes_on_as_it_did_then(be: Backend, run: Path):
    told: list[str] = []
    with Corpus.open(EARLIER / "corpus.hdf5") as corpus:  # where its path says that it is, there is none
        resumed_run(be, run, told.append, corpus, allow_inexact=True).run(Limits(windows=48))
    assert all("not the same bits as before" in line for line in told), told  # another machine, perhaps
    then, now = checkpoint(EARLIER / "later", 48), checkpoint(run, 48)
    assert [name for name in now.tensors if name not in ADDED_TENSORS] == list(then.tensors)
    for name, tensor in then.tensors.items():
        assert (now.tensors[name].dtype, now.tensors[name].shape) == (tensor.dtype, tensor.shape), name
        np.testing.assert_allclose(now.tensors[name], tensor, CLOSE, CLOSE, err_msg=name)
    assert (now.version, now.header.keys()) == (then.version, then.header.keys())
    progress, before = now.header["progress"], then.header["progress"]
    assert isinstance(progress, dict) and isinstance(before, dict)
    assert list(progress) == list(before)
    for name in ("windows", "cursor", "best_window", "stale", "plateaus"):
        assert progress[name] == before[name], name
    assert progress["best"] == pytest.approx(before["best"], rel=CLOSE)
    assert now.header["config"] == then.header["config"] | ADDED_SETTINGS


def test_its_log_goes_on_as_it_did_then(be: Backend, run: Path):
    with Corpus.open(EARLIER / "corpus.hdf5") as corpus:
        resumed_run(be, run, lambda line: None, corpus, allow_inexact=True).run(Limits(windows=48))
    now, then = log_without_clock(run), log_without_clock(EARLIER / "later")
    assert [line["window"] for line in now] == [line["window"] for line in then]
    for line, before in zip(now, then, strict=True):
        kept = {name: value for name, value in line.items() if name not in ADDED_TO_LOG}
        assert list(kept) == list(before)
        assert kept == pytest.approx(before, rel=CLOSE)


def test_it_is_evaluated_and_sampled_as_it_was_then(be: Backend, run: Path):
    model = load_trained(run, be, checkpoint="last")
    with Corpus.open(EARLIER / "corpus.hdf5") as corpus:
        measured = evaluate(model.model, model.language, corpus, "valid", lanes=1)
    assert (measured.tokens, measured.lanes) == (277, 1)
    assert measured.nats_per_token == pytest.approx(2.6201807462591775, rel=CLOSE)
    assert measured.bits_per_byte == pytest.approx(3.699977844432713, rel=CLOSE)
    text = "".join(map(str, generate(model.model, model.language, length=60, seed=3)))
    assert text == "cati ee o efeioyalna\nyaaties oe mt laoo.tmmtest tee nataiei "
