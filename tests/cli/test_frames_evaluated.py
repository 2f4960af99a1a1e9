"""`gpurnn evaluate` with a model of frames finds the texts that `gpurnn predict` prints, however they are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from predicting import CPU

import gpurnn
from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.frames.transcription import Transcription
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.edits import edit_distance
from gpurnn.training.model_file import write_model
from tests.frames import needed, write_lines
from tests.trained import documents, make_corpus, make_run

LETTERS, WIDTH = "tide so", 3


def lines_of(count: int) -> list[tuple[np.ndarray, str]]:
    draw = np.random.default_rng(5)
    texts = ["".join(draw.choice(list(LETTERS), draw.integers(1, 9))).strip() or "t" for _ in range(count)]
    return [(draw.normal(3, 2, (needed(text) + 8, WIDTH)).astype("<f4"), text) for text in texts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lines.h5, its frames in files that list.txt names, a model of it, heard, and a run of text, lm."""
    made, be = tmp_path_factory.mktemp("heard"), backend.get("cpu")
    lines = lines_of(40)
    corpus = write_lines(made / "lines.h5", {"train": lines[:5], "valid": lines}, letters=LETTERS)["valid"].corpus
    with corpus:
        transcription = Transcription.of(corpus)
    config = ModelConfig(
        0,
        inputs=WIDTH,
        outputs=transcription.outputs,
        cell="gru",
        hidden=8,
        dtype="float64",
        input="real",
        head="ctc",
        stack=("both_directions",),
    )
    model = Model(be, config)
    model.params.initialise(be, 3)
    for value in model.params.value.values():
        value *= 3 if value.ndim == 2 else 1
    write_model(made / "heard", model, transcription, TrainConfig(config, layout="whole"))
    for number, (frames, _) in enumerate(lines):
        np.save(made / f"{number}.npy", frames)
    (made / "list.txt").write_text("".join(f"{number}.npy\n" for number in range(len(lines))))
    (made / "words.txt").write_text("tide so it do te\n")
    make_run(be, make_corpus(made / "lm.h5", documents(40)), made / "lm")
    return made


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments), *CPU])


@pytest.mark.parametrize(
    "settings",
    [{}, {"beam": 3}, {"lm": "lm"}, {"lm": "lm", "lm_weight": 3.0, "beam": 2}, {"words": "words.txt"}],
    ids=str,
)
def test_what_is_predicted_is_what_is_evaluated(folder: Path, settings: dict[str, Any]) -> None:
    settings = {name: folder / value if isinstance(value, str) else value for name, value in settings.items()}
    options = [each for name, value in settings.items() for each in (f"--{name.replace('_', '-')}", value)]
    done = run("predict", folder / "heard", folder / "list.txt", *options)
    assert done.exit_code == 0, done.stderr
    found = [line.split("\t")[1].strip() for line in done.stdout.splitlines()]
    right = [text for _, text in lines_of(40)]
    edits = sum(map(edit_distance, found, right))
    done = run("evaluate", folder / "heard", folder / "lines.h5", *options, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["sequences"] == 40
    assert result["cer"] == pytest.approx(edits / sum(map(len, right)), rel=1e-12)
    same = gpurnn.evaluate(folder / "heard", folder / "lines.h5", device="cpu", **settings)
    assert json.loads(json.dumps(same.to_json())) == result


def test_options_of_models_of_frames(folder: Path) -> None:
    for option, value in (("--lm", folder / "lm"), ("--lm-weight", 1), ("--words", folder / "words.txt")):
        done = run("evaluate", folder / "lm", option, value)
        assert done.exit_code == 2
        assert done.stderr == f"gpurnn: {option}: nothing is heard by a model of text; leave it out\n"
    done = run("evaluate", folder / "heard", folder / "lines.h5", "--lm-weight", 1)
    assert (done.exit_code, "--lm-weight is the weight of a language model" in done.stderr) == (2, True)
