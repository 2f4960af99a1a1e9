"""Model files: what is in one, that strangers' ones are refused, and that the commands take them for a model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file
from trained import documents, make_corpus, make_run, refuse

from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.exceptions import CheckpointError, RunError
from gpurnn.runs.checkpoint import NewerFormatError, read_checkpoint, write_checkpoint
from gpurnn.training.load import Trained, load_trained
from gpurnn.training.model_file import is_model_file, write_model

PARAMETERS = {"layers.0.U", "layers.0.W", "layers.0.b", "layers.0.b_h", "output.V", "output.c"}
LANGUAGE = {"vocabulary.data", "vocabulary.offsets", "starts.symbols", "starts.counts"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus text.h5 with the run `run` on it, and its best model in model.safetensors."""
    be, made = backend.get("cpu"), tmp_path_factory.mktemp("model")
    make_run(be, make_corpus(made / "text.h5", documents(24)), made / "run", cell="gru")
    save(load_trained(made / "run", be, on_warning=refuse), made / "model.safetensors")
    return made


def save(trained: Trained, path: Path) -> None:
    write_model(path, trained.model, trained.language, trained.config)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_it_holds_what_it_takes_to_use_the_model_and_no_more(folder: Path):
    tensors = load_file(folder / "model.safetensors")
    assert set(tensors) == PARAMETERS | LANGUAGE
    best = read_checkpoint(folder / "run" / "best.safetensors")
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, best.tensors[name]), name
    header = read_checkpoint(folder / "model.safetensors").header
    assert list(header) == ["model_file", "config", "corpus", "versions"]
    assert header["config"] == best.header["config"]
    assert set(header["corpus"]) == {"tokens", "unknown", "policy"}
    assert is_model_file(read_checkpoint(folder / "model.safetensors")) and not is_model_file(best)


def test_averaged_parameters_are_the_ones_that_are_kept(folder: Path, tmp_path: Path):
    done = run("train", folder / "text.h5", "-o", tmp_path / "run", "--windows", 8, "--hidden", 5, "--device", "cpu")
    assert done.exit_code == 0, done.output
    save(
        load_trained(tmp_path / "run", backend.get("cpu"), checkpoint="last", on_warning=refuse),
        tmp_path / "model.safetensors",
    )
    last = read_checkpoint(next((tmp_path / "run" / "checkpoints").iterdir())).tensors
    found = read_checkpoint(tmp_path / "model.safetensors").tensors
    assert np.array_equal(found["layers.0.U"], last["average.layers.0.U"])
    assert not np.array_equal(found["layers.0.U"], last["layers.0.U"])
    assert not [name for name in found if name.startswith("average.")]


def altered(folder: Path, path: Path, tensors: dict[str, Any], **header: Any) -> Path:
    read = read_checkpoint(folder / "model.safetensors")
    kept = {name: array for name, array in (read.tensors | tensors).items() if array is not None}
    write_checkpoint(path, kept, {name: value for name, value in (read.header | header).items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("tensors", "header", "error", "message"),
    [
        ({"layers.0.W": np.zeros((3, 3))}, {}, CheckpointError, r"layers.0.W: expected \(6, 18\), found \(3, 3\)"),
        ({"output.c": None}, {}, CheckpointError, r"output.c: expected \(14,\), found no such tensor"),
        ({"starts.counts": np.zeros(1, np.int64)}, {}, CheckpointError, "starts: expected symbols"),
        ({"vocabulary.data": np.zeros(3, np.uint8)}, {}, CheckpointError, "vocabulary: the offsets"),
        ({"vocabulary.data": None}, {}, CheckpointError, "no tensor vocabulary.data"),
        ({}, {"corpus": None}, CheckpointError, "corpus is missing from the header"),
        ({}, {"config": None}, CheckpointError, "config is missing from the header"),
        ({}, {"model_file": None}, CheckpointError, "state.0.h: expected"),
        ({}, {"model_file": "1"}, CheckpointError, "model_file: expected a format version, found '1'"),
        ({}, {"model_file": True}, CheckpointError, "model_file: expected a format version, found True"),
        ({}, {"model_file": 0}, CheckpointError, "model_file: expected a format version, found 0"),
        ({}, {"model_file": 2, "config": {}}, NewerFormatError, "format version 2, this gpurnn reads up to 1: use a n"),
    ],
)
def test_one_that_does_not_fit_itself(
    folder: Path, tmp_path: Path, tensors: dict[str, Any], header: dict[str, Any], error: type[Exception], message: str
):
    path = altered(folder, tmp_path / "altered.safetensors", tensors, **header)
    with pytest.raises(error, match=message) as caught:
        load_trained(path, backend.get("cpu"), on_warning=refuse)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"stack": ["recurrent"] + ["dropout"] * 50_000, "layers": 512}, "stack: expected at most 4096 in all, found"),
        ({"stack": ["softmax"]}, "stack: expected names among"),
        ({"input": "embedding"}, "config: embedding: expected at least 1 for the input embedding"),
        ({"embedding": 3, "input": "one_hot", "head": "squared", "outputs": 3}, r"output.V: expected \(6, 3\)"),
    ],
)
def test_a_header_that_describes_another_network(folder: Path, tmp_path: Path, model: dict[str, Any], message: str):
    config = json.loads(json.dumps(read_checkpoint(folder / "model.safetensors").header["config"]))
    config["model"] |= model
    path = altered(folder, tmp_path / "altered.safetensors", {}, config=config)
    with pytest.raises((CheckpointError, RunError), match=message) as caught:
        load_trained(path, backend.get("cpu"), on_warning=refuse)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_one_that_is_damaged(folder: Path, tmp_path: Path):
    data, path = bytearray((folder / "model.safetensors").read_bytes()), tmp_path / "damaged.safetensors"
    for cut in (b"", data[:100], data[:-1], data + b"\0"):
        path.write_bytes(cut)
        with pytest.raises(CheckpointError, match="is not an intact checkpoint"):
            load_trained(path, backend.get("cpu"), on_warning=refuse)
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_trained(path, backend.get("cpu"), on_warning=refuse)


def test_only_a_regular_file_is_replaced(folder: Path, tmp_path: Path):
    trained = load_trained(folder / "model.safetensors", backend.get("cpu"), on_warning=refuse)
    whole = (folder / "model.safetensors").read_bytes()
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to("old")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    save(trained, tmp_path / "link")
    assert (tmp_path / "old").read_bytes() == whole and (tmp_path / "link").is_symlink()
    for name, reason in (("folder", "a folder"), ("fifo", "a FIFO"), ("none/x", "there is no folder")):
        with pytest.raises(CheckpointError, match=f"cannot write model {tmp_path / name}: .*{reason}"):
            save(trained, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "folder", "link", "old"]


def test_the_commands_take_it_for_a_model(folder: Path, tmp_path: Path):
    model, options = folder / "model.safetensors", ("--device", "cpu")
    facts = json.loads(run("info", model, "--json").stdout)
    of_run = json.loads(run("info", folder / "run", "--json").stdout)
    assert facts == {
        "path": str(model),
        "model": of_run["model"],
        "training": of_run["training"],
        "corpus": {"tokens": "chars"},
        "versions": {"gpurnn": of_run["versions"]["gpurnn"]},
    }
    best = json.loads(run("info", folder / "run" / "best.safetensors", "--json").stdout)
    assert best == {name: of_run[name] for name in best} | {
        "path": str(folder / "run" / "best.safetensors"),
        "windows": 10,
        "epochs": best["epochs"],
        "seconds": best["seconds"],
    }
    for command in (("sample", "--length", 50, "--seed", 3), ("evaluate", folder / "text.h5", "--json")):
        of_file = run(command[0], model, *command[1:], *options)
        assert (of_file.exit_code, of_file.stderr) == (0, "")
        assert of_file.stdout == run(command[0], folder / "run", *command[1:], *options).stdout
    done = run("evaluate", model, *options)
    assert (done.exit_code, done.stderr) == (
        1,
        f"gpurnn: {model}: the path of its corpus is missing; name the corpus\n",
    )


def test_a_run_begins_with_it(folder: Path, tmp_path: Path):
    for name, source in (("one", folder / "model.safetensors"), ("two", folder / "run")):
        options = ("--windows", 4, "--init-from", source, "--device", "cpu")
        assert run("train", folder / "text.h5", "-o", tmp_path / name, *options).exit_code == 0
    one, two = (read_checkpoint(next((tmp_path / name / "checkpoints").iterdir())) for name in ("one", "two"))
    assert one.tensors.keys() == two.tensors.keys()
    for name in one.tensors:
        assert np.array_equal(one.tensors[name], two.tensors[name]), name
