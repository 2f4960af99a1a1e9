"""`gpurnn.train`: the run that the command makes, to the bit."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import outside_cell
import pytest
from click.testing import CliRunner
from signalled import default_signals_here
from trained import documents, make_corpus

import gpurnn
from gpurnn.backend import PRECISIONS
from gpurnn.cli.main import main
from gpurnn.cli.options import TableChoice, help_of
from gpurnn.cli.train import train as command
from gpurnn.exceptions import DataError, RunError, UsageError
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.begin import DEFAULT_MINUTES
from gpurnn.training.config import TrainConfig
from gpurnn.training.divergence import FACTOR, HIGH_LINES, LIMIT
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import DECAY_OF

CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("runs") / "text.h5", documents(40))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def options(*given: object) -> dict[str, Any]:
    """What the command makes of its command line, by name."""
    return command.make_context("train", [*map(str, given)]).params


def test_keywords_are_the_options_of_the_command_with_their_defaults():
    keywords, parsed = inspect.signature(gpurnn.train).parameters, options()
    assert set(keywords) - {"on_line", "on_window"} == set(parsed)
    for name, value in parsed.items():
        default = keywords[name].default
        assert (default, type(default)) == (value, type(value)), name


def test_help_says_what_each_keyword_and_option_means():
    helps = help_of(gpurnn.train)
    for name in inspect.signature(gpurnn.train).parameters:
        assert helps[name], name
    shown = " ".join(CliRunner().invoke(main, ["train", "--help"], terminal_width=999).output.split())
    for option in command.params[1:]:
        assert helps[option.name] in shown
        if isinstance(option.type, TableChoice) and option.name != "recurrent_init":  # likewise
            words = re.findall(r"[\w-]+", helps[option.name])
            assert set(option.type._table) - {outside_cell.NAME} <= set(words), option.name


def test_help_says_the_defaults_that_depend_on_something():
    decay, of = next(iter(DECAY_OF.items())), help_of(gpurnn.train)
    for name, said in (
        ("minutes", f"{DEFAULT_MINUTES:g} where no limit is given"),
        ("lanes", f"{TrainConfig.lanes}, fewer"),
        ("bptt", f"{TrainConfig.bptt}, fewer"),
        ("validate_every", f"an epoch, at most {TrainConfig.validate_every},"),
        ("weight_decay", f"{decay[1]:g} for {decay[0]}, 0 for the others"),
        ("on_divergence", f"After {HIGH_LINES} high ones"),
        ("on_divergence", f"at {FACTOR:g} x the rate; the {LIMIT}th time"),
        ("precision", PRECISIONS[0]),
    ):
        assert said in of[name]


GIVEN = [
    {"windows": 9},
    {"windows": 9, "cell": "gru", "hidden": 20, "layers": 2, "embedding": 4, "dropout": 0.3, "seed": 5},
    {"windows": 9, "lanes": 3, "bptt": 10, "optimizer": "sgd", "momentum": 0.9, "clip": 0.3, "lr": 0.1, "hidden": 9},
    {"windows": 9, "hidden": 9, "schedule": "cosine", "decay_epochs": 2.5, "validate_every": 4, "log_every": 2},
    {"epochs": 1, "hidden": 9, "dtype": "float64", "init": "glorot", "weight_decay": 0.1, "average": 0.5, "threads": 1},
]


def contents(run: Path) -> dict[str, Any]:
    """All that a run holds but for what the clock decides."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    clock = ("seconds", "tokens_per_second")
    held: dict[str, Any] = {"log": [{k: v for k, v in line.items() if k not in clock} for line in lines]}
    held["config"] = (run / "config.json").read_text()
    for path in sorted(run.rglob("*.safetensors")):
        checkpoint = read_checkpoint(path)
        progress = dict(checkpoint.header["progress"]) | {"seconds": 0}
        tensors = {name: (array.dtype, array.tobytes()) for name, array in checkpoint.tensors.items()}
        held[str(path.relative_to(run))] = (tensors, checkpoint.header | {"progress": progress})
    return held


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: " ".join(given))
def test_it_makes_the_run_that_the_command_makes(corpus: Path, given: dict[str, Any]):
    flags = [str(word) for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = CliRunner().invoke(main, ["train", str(corpus), "-o", "one", *flags, *CPU])
    assert done.exit_code == 0, done.output
    run = gpurnn.train(corpus, "two", device="cpu", **given)
    assert contents(Path("two")) == contents(Path("one"))
    assert (run.path, os.fspath(run), run.exit_code, run.skipped) == (Path("two"), "two", 0, 0)
    assert run.windows == int(Path(run.checkpoint).stem.removeprefix("window-"))
    assert f"{run.reason}; wrote one" in done.stderr
    assert f"validation now: {run.valid:.4f}" in done.stderr


def test_a_run_goes_on_and_is_loaded_and_evaluated(corpus: Path):
    whole = gpurnn.train(corpus, "whole", hidden=9, windows=12, device="cpu")
    run = gpurnn.train(corpus, "parts", hidden=9, windows=5, device="cpu")
    again = gpurnn.train(resume=run, windows=12, device="cpu")
    assert (run.windows, again.windows, again.path) == (5, 12, Path("parts"))
    assert (
        contents(Path("parts"))["checkpoints/window-0000000012.safetensors"]
        == contents(Path("whole"))["checkpoints/window-0000000012.safetensors"]
    )
    assert gpurnn.evaluate(again, device="cpu") == gpurnn.evaluate("whole", corpus, device="cpu")
    assert gpurnn.load(again, "cpu").generate(length=30, seed=1) == gpurnn.load(whole, "cpu").generate(
        length=30, seed=1
    )
    begun = gpurnn.train(corpus, "begun", init_from=again, windows=1, device="cpu")
    assert gpurnn.load(begun, "cpu").config.model == gpurnn.load(again, "cpu").config.model


def test_callbacks_get_the_learner_and_the_lines_of_the_log(corpus: Path):
    seen: list[int] = []
    lines: list[dict[str, Any]] = []

    def on_window(learner: Learner) -> None:
        seen.append(learner.progress.windows)
        if len(seen) == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with default_signals_here():
        run = gpurnn.train(
            corpus, "run", hidden=9, windows=99, log_every=2, device="cpu", on_window=on_window, on_line=lines.append
        )
    assert seen == list(range(1, 8))
    assert [line["window"] for line in lines] == [2, 4, 6]
    assert (run.exit_code, run.reason, run.valid) == (130, "stopped by SIGINT", None)
    assert gpurnn.train(resume=run, windows=8, device="cpu").windows == 8


def test_a_callback_cannot_change_the_log(corpus: Path):
    gpurnn.train(corpus, "run", hidden=9, windows=4, log_every=2, device="cpu", on_line=dict.clear)
    lines = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert [line["window"] for line in lines] == [2, 4]


def test_a_callback_that_raises_ends_training_with_a_note(corpus: Path):
    def on_window(learner: Learner) -> None:
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough") as caught:
        gpurnn.train(corpus, "run", hidden=9, windows=99, device="cpu", on_window=on_window)
    assert "window-0000000001.safetensors" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, UsageError, "train: expected a corpus and `output=RUN`, or `resume=RUN`"),
        ({"corpus": "text.h5"}, UsageError, "train: expected a corpus and `output=RUN`"),
        ({"output": "new", "hiden": 3}, UsageError, r"train: there is no keyword hiden; did you mean hidden\?"),
        ({"output": "new", "hidden": 0}, UsageError, "`hidden`: expected at least 1, found 0"),
        ({"output": "new", "lanes": 0}, UsageError, "`lanes`: expected at least 1, found 0"),
        ({"output": "new", "lanes": "all"}, UsageError, "`lanes`: expected a whole number, found 'all'"),
        ({"output": "new", "bptt": [64]}, UsageError, r"`bptt`: expected a whole number, found \[64\]"),
        ({"output": "new", "ahead": 3}, UsageError, "`ahead`: expected a list of texts, found 3"),
        ({"output": "new", "cell": "elman"}, UsageError, "`cell`: expected one of simple, "),
        ({"output": "new", "threads": 0}, UsageError, "threads: expected 1 or more"),
        ({"output": "new", "minutes": "3"}, UsageError, "`minutes`: expected a finite number, found '3'"),
        ({"output": "new", "checkpoint_minutes": -1}, UsageError, "checkpoint_minutes: expected 0 or more, found -1"),
        ({"output": "new", "decay_epochs": -1}, UsageError, "`decay_epochs`: expected 0 or more, found -1"),
        (
            {"output": "new", "decay_epochs": 1, "decay_windows": 2},
            UsageError,
            "`decay_windows` or `decay_epochs`, not",
        ),
        ({"output": "new", "tf32": True, "precision": "bf16"}, UsageError, "`tf32` contradicts `precision=bf16`; give"),
        ({"output": "new", "precision": "bf16", "dtype": "float64"}, UsageError, "`precision=bf16` is for float32 and"),
        ({"output": "new", "precision": "fp8"}, UsageError, "precision"),
        ({"output": "new", "device": "gpu"}, UsageError, "device 'gpu': expected auto, cpu"),
        ({"output": "there"}, RunError, "there already holds a run"),
        (
            {"output": "new", "init_from": "there", "hidden": 8},
            UsageError,
            "`hidden=8` contradicts `init_from`: the net",
        ),
        ({"output": "new", "init_from": "there", "cell": "gru"}, UsageError, "leave `cell` out"),
        ({"output": "new", "lanes": 10**5}, DataError, "100000 lanes do not fit"),
        ({"resume": "there", "hidden": 256}, UsageError, "`hidden` does not go with `resume`; a resumed run keeps its"),
        ({"resume": "there", "output": "new"}, UsageError, "`output` does not go with `resume`"),
        ({"resume": "gone"}, RunError, "no run directory at gone"),
        ({"resume": 3}, UsageError, "resume: expected a path, found int"),
    ],
)
def test_what_cannot_be_trained(corpus: Path, given: dict[str, Any], error: type[Exception], message: str):
    gpurnn.train(corpus, "there", hidden=9, windows=1, device="cpu")
    with pytest.raises(error, match=message):
        gpurnn.train(**{"corpus": corpus, "device": "cpu"} | given) if given else gpurnn.train()
    assert not Path("new").exists()


def test_what_is_none_was_not_given(corpus: Path):
    run = gpurnn.train(corpus, "run", hidden=9, windows=1, device="cpu", recurrent_init=None, threads=None)
    assert gpurnn.train(resume=run, windows=2, device="cpu", hidden=None, output=None).windows == 2


def test_the_positional_arguments(corpus: Path):
    with pytest.raises(TypeError, match="too many positional arguments"):
        gpurnn.train(corpus, "run", "gru")  # type: ignore[misc]
