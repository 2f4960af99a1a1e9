"""`gpurnn.load` and `gpurnn.evaluate`: a model out of a run, a checkpoint or a file, and what it does."""

from __future__ import annotations

import inspect
import re
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
from gpurnn.network import Model, ModelConfig
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.load import Trained, load_trained


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
        (TrainedModel.generate, sample_command, {"run", "prompt_file", "row", "count", "checkpoint", "device"}),
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
        ([[0, 99]], "tokens: found 99 at step 0 of lane 1; the vocabulary of the model has 14 symbols, 0 to 13"),
        ([[0], [-1]], "tokens: found -1 at step 1 of lane 0"),
        ([1, 2], r"x: expected whole numbers below 14, one a step, \(T, B\), found \(2,\) int64"),
        ([[[1, 2]]], r"\(T, B\), found \(1, 1, 2\) int64"),
        ([[0.5]], r"\(T, B\), found \(1, 1\) float64"),
        (np.zeros((0, 2), int), r"found \(0, 2\) int64"),
        ("text", r"found \(\) <U4"),
        ([[1, 2], [3]], "x: expected an array on the host, found a list that is none"),
        (np.full((1, 1), 2**32 + 5, np.uint64), "tokens: found 4294967301 at step 0 of lane 0"),
    ],
)
def test_what_has_no_outputs(be: Backend, folder: Path, x: object, message: str):
    with pytest.raises(UsageError, match=message):
        gpurnn.load(folder / "run", be.device)(x)


def test_outputs_of_real_numbers(be: Backend, folder: Path):
    config = ModelConfig(0, inputs=3, outputs=2, input="real", head="squared", start="learned", hidden=5, cell="gru")
    model = Model(be, config)
    model.params.initialise(be, 1)
    start = model.params.value["layers.0.start.h"]
    start[...] = 0.5  # a sequence begins with it
    language = gpurnn.load(folder / "run", be.device).language
    looked_at = TrainedModel(Trained(model, language, TrainConfig(config), Checkpoint({}, {}, None, 2)))
    x = np.random.default_rng(1).standard_normal((4, 2, 3)).astype(np.float32)
    y = looked_at(x)
    value = {name: be.to_host(array) for name, array in model.params.value.items()}
    h = np.full((2, 5), 0.5)
    for t in range(4):
        a, r = x[t] @ value["layers.0.U"] + value["layers.0.b"], h @ value["layers.0.W"]
        gates = 1 / (1 + np.exp(-(a + r)[:, :10]))
        n = np.tanh(a[:, 10:] + gates[:, :5] * (r[:, 10:] + value["layers.0.b_h"]))
        h = (1 - gates[:, 5:]) * n + gates[:, 5:] * h
        np.testing.assert_allclose(y[t], h @ value["output.V"] + value["output.c"], atol=1e-5)
    assert np.array_equal(looked_at(np.ones((2, 1, 3), int)), looked_at(np.ones((2, 1, 3))))
    for wrong, message in (
        (x[0], r"x: expected 3 real numbers a step, \(T, B, F\), found \(2, 3\) float32"),
        (x[:, :, :2], r"found \(4, 2, 2\) float32"),
        (x * np.nan, "reals: expected finite numbers, .*found another at step 0 of lane 0"),
        (x.astype(complex), "found .* complex128"),
    ):
        with pytest.raises(UsageError, match=message):
            looked_at(wrong)


def test_a_table_of_parts(be: Backend, folder: Path):
    model = gpurnn.load(folder / "run", be.device)
    lines = repr(model).splitlines()
    assert lines[0] == f"gru of 14 chars, float64, on {be.device}"
    rows = [re.split("  +", line.strip()) for line in lines[1:]]
    assert rows == [
        ["part", "kind", "width", "parameters", "number"],
        ["embedding", "embedding", "3", "table (14, 3)", "42"],
        ["layers.0", "gru", "3 to 6", "U (3, 18)", "W (6, 18)", "b (18,)", "b_h (6,)", "186"],
        ["dropout.0", "dropout", "6 to 6"],
        ["layers.1", "gru", "6 to 6", "U (6, 18)", "W (6, 18)", "b (18,)", "b_h (6,)", "240"],
        ["dropout.1", "dropout", "6 to 6"],
        ["output", "softmax", "6 to 14", "V (6, 14)", "c (14,)", "98"],
        [f"{model.model.params.count}"],
    ]


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
