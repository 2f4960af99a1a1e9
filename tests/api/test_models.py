"""`gpurnn.load` and `gpurnn.evaluate`: a model out of a run, a checkpoint or a file, and what it does."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from trained import documents, make_corpus, make_run, refuse

import gpurnn
from gpurnn.api.models import TrainedModel
from gpurnn.backend import Backend
from gpurnn.cli.evaluate import evaluate as evaluate_command
from gpurnn.cli.sample import sample as sample_command
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.language_model import evaluate as evaluate_split
from gpurnn.exceptions import CheckpointError, DataError, UsageError
from gpurnn.generation.generate import generate
from gpurnn.training.load import load_trained


@pytest.fixture(scope="module")
def folder(be: Backend, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus text.h5 with the run `run` on it, and bytes.h5 with `bytes`."""
    made = tmp_path_factory.mktemp("models")
    make_run(be, make_corpus(made / "text.h5", documents(24)), made / "run", cell="gru", layers=2, embedding=3)
    make_run(be, make_corpus(made / "bytes.h5", documents(24), tokens="bytes"), made / "bytes", dtype="float32")
    return made


def test_keywords_are_options_with_their_defaults():
    for method, command, others in (
        (gpurnn.evaluate, evaluate_command, {"as_json"}),
        (TrainedModel.generate, sample_command, {"run", "prompt_file", "count", "checkpoint", "device"}),
    ):
        keywords = inspect.signature(method).parameters
        parsed = command.make_context("command", ["run"]).params
        assert set(parsed) - others == set(keywords) - {"self"}
        for name in set(parsed) - others - {"run", "prompt"}:
            assert keywords[name].default == parsed[name], name


def test_which_checkpoint_is_loaded(be: Backend, folder: Path):
    last = folder / "run" / "checkpoints" / "window-0000000012.safetensors"
    for source, which in (("run", "best"), ("run", "last"), ("run/best.safetensors", "best"), ("run", last)):
        found = gpurnn.load(folder / source, be.device, which).model
        expected = load_trained(folder / source, be, checkpoint=str(which), on_warning=refuse).model
        assert np.array_equal(be.to_host(found.params.values), be.to_host(expected.params.values))
    best, other = (gpurnn.load(folder / "run", be.device, which).model.params.values for which in ("best", "last"))
    assert not np.array_equal(be.to_host(best), be.to_host(other))


def test_generate_gives_the_text_without_the_prompt(be: Backend, folder: Path):
    model, trained = gpurnn.load(folder / "run", be.device), load_trained(folder / "run", be, on_warning=refuse)
    options = {"length": 70, "temperature": 0.7, "top_k": 6, "top_p": 0.9, "seed": 5}
    text = "".join(generate(trained.model, trained.language, "a note", **options))
    assert model.generate("a note", **options) == text
    assert len(text) == 70
    assert model.generate("a note", stop=text[30:33], **options) == text.partition(text[30:33])[0]
    assert len(model.generate()) == 1000
    of_bytes = gpurnn.load(folder / "bytes", be.device).generate("für", length=20, seed=1)
    assert isinstance(of_bytes, bytes) and len(of_bytes) == 20
    for call, error, message in (
        (lambda: model.generate("#"), DataError, "'#' at character 0 is not in the vocabulary"),
        (lambda: model.generate(length=0), UsageError, "length: with 0 the text never ends"),
        (lambda: model.generate(temperatur=1), UsageError, r"did you mean temperature\?"),
        (lambda: model.generate(top_p=0), UsageError, "top.p: expected more than 0"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_evaluate_has_the_keys_of_json_as_attributes(be: Backend, folder: Path):
    trained = load_trained(folder / "run", be, checkpoint="last", on_warning=refuse)
    with Corpus.open(folder / "text.h5") as corpus:
        valid = evaluate_split(trained.model, trained.language, corpus)
        train = evaluate_split(trained.model, trained.language, corpus, "train", lanes=3)
    assert gpurnn.evaluate(folder / "run", checkpoint="last", device=be.device) == valid
    found = gpurnn.evaluate(folder / "run", folder / "text.h5", "train", lanes=3, checkpoint="last", device=be.device)
    assert found == train
    assert {name: getattr(found, name) for name in found.to_json()} == asdict(train)
    assert gpurnn.load(folder / "run", be.device, "last").evaluate(split="train", lanes=3) == train
    with pytest.raises(DataError, match="no split 'all'"):
        gpurnn.evaluate(folder / "run", split="all", device=be.device)


@pytest.mark.parametrize("name", ["run", "bytes"])
def test_outputs_are_those_of_a_forward_pass(be: Backend, folder: Path, name: str):
    model = gpurnn.load(folder / name, be.device)
    x = np.random.default_rng(1).integers(0, model.model.config.symbols, (9, 3))
    workspace = model.model.workspace(3, 9, train=False)
    be.from_host(x.astype(np.int32).reshape(-1), out=workspace.batch.tokens)
    workspace.batch.begin(9, None)
    model.model.forward(workspace, model.model.state(3))
    y = model(x)
    assert (y.shape, y.dtype, type(y)) == ((9, 3, model.model.config.symbols), model.model.config.real, np.ndarray)
    assert np.array_equal(y.reshape(27, -1), be.to_host(workspace.o))
    one = model(x[:, 1:2])
    assert np.allclose(one[:, 0], y[:, 1], atol=1e-6)
    assert np.array_equal(model(x.tolist()), y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0, 99]], "x: expected symbols of the vocabulary, 0 to 13, found 99"),
        ([[0, -1]], "0 to 13, found -1"),
        ([1, 2], r"x: expected symbols \(T, B\), whole numbers, found \(2,\) int64"),
        ([[0.5]], r"whole numbers, found \(1, 1\) float64"),
        (np.zeros((0, 2), int), r"found \(0, 2\) int64"),
        ("text", r"found \(\) <U4"),
    ],
)
def test_what_has_no_outputs(be: Backend, folder: Path, x: object, message: str):
    with pytest.raises(UsageError, match=message):
        gpurnn.load(folder / "run", be.device)(x)


def test_a_table_of_parts(be: Backend, folder: Path):
    model = gpurnn.load(folder / "run", be.device)
    lines = repr(model).splitlines()
    assert lines[0] == f"gru of 14 chars, float64, on {be.device}"
    assert [line.split()[:2] for line in lines[2:6]] == [
        ["embedding", "embedding"],
        ["layers.0", "gru"],
        ["layers.1", "gru"],
        ["output", "softmax"],
    ]
    assert "U (3, 18)  W (6, 18)  b (18,)  b_h (6,)" in lines[3]
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[2:]]
    assert counts == [42, 186, 240, 98, model.model.params.count]


def test_a_saved_model_is_the_same_model(be: Backend, folder: Path, tmp_path: Path):
    model = gpurnn.load(folder / "run", be.device)
    saved = tmp_path / "model.safetensors"
    model.save(saved)
    again = gpurnn.load(saved, be.device)
    assert again.generate("a note", length=60, seed=2) == model.generate("a note", length=60, seed=2)
    assert again.evaluate(folder / "text.h5") == model.evaluate()
    assert gpurnn.evaluate(saved, folder / "text.h5", device=be.device) == model.evaluate()
    assert repr(again) == repr(model)
    assert again.config == model.config
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()
    with pytest.raises(CheckpointError, match="the path of its corpus is missing; name the corpus"):
        again.evaluate()
