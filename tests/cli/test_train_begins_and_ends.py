"""`gpurnn train`: what a run begins with, short texts, texts without a valid split, and what is said at its end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from trained import documents, make_corpus

from gpurnn.cli.main import main
from gpurnn.cli.options import SectionedCommand
from gpurnn.cli.train import train as command
from gpurnn.network import ModelConfig
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.settings import base_of, field_kinds
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig

SMALL = ("--device", "cpu", "--windows", "2", "--hidden", "5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("begin")
    make_corpus(made / "text.h5", documents(24))
    make_corpus(made / "other.h5", ["another text"] * 40)
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("text.h5", "other.h5"):
        shutil.copy(folder / name, name)
    yield


def train(*arguments: str, size: tuple[str, ...] = SMALL, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["train", *size, *arguments])
    assert done.exit_code == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def config(run: str = "r") -> dict[str, Any]:
    return json.loads(Path(run, "config.json").read_text())


def last(run: str) -> dict[str, np.ndarray]:
    return read_checkpoint(max(Path(run, "checkpoints").iterdir())).tensors


# Settings


OF_PROGRAMS = {"symbols", "inputs", "outputs", "input", "head", "start", "stack", "burn_in"}
OF_PROGRAMS |= {"source", "source_embedding", "encoder", "vectors"}
"""Fields that the command takes from the corpus, or that only programs set."""


def test_the_defaults_are_those_of_the_library():
    ctx = click.Context(command, info_name="train")
    with ctx:
        command.parse_args(ctx, ["text.h5", "-o", "r"])
    assert isinstance(command, SectionedCommand)
    left = set()
    for owner in (ModelConfig, OptimizerConfig, ScheduleConfig, TrainConfig, Limits):
        for name, kind in field_kinds(owner).items():
            if name not in ctx.params or is_dataclass(base_of(kind)):
                left.add(name)
            else:
                assert ctx.params[name] in (None, getattr(owner, name)), name
    assert left == {"epsilon", "model", "optimizer", "schedule", "counted_lanes"} | OF_PROGRAMS


def test_a_run_without_options_has_the_settings_of_the_library():
    train("text.h5", "-o", "r", size=("--device", "cpu", "--windows", "0"))
    found, symbols = config()["training"], config()["training"]["model"]["symbols"]
    expected = TrainConfig(ModelConfig(symbols)).to_json()
    fitted = {name: found[name] for name in ("lanes", "steps", "validate_every")}
    assert found == expected | fitted


REALS = ["--dropout", "--forget-bias", "--clip", "--weight-decay", "--beta2", "--average", "--lr", "--decay-factor"]
REALS += ["--lr-floor", "--restart", "--divergence-nats", "--checkpoint-minutes", "--minutes", "--decay-epochs"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1e999"])
@pytest.mark.parametrize("option", REALS)
def test_every_real_setting_is_finite(option: str, value: str):
    done = train("text.h5", "-o", "r", f"{option}={value}", code=2)
    assert done.stderr.startswith(f"gpurnn: {option}: expected ")
    assert done.stderr.count("\n") == 1
    assert not Path("r").exists()


# The run that it begins with


def test_the_network_of_the_run_that_it_begins_with():
    train("text.h5", "-o", "a", "--cell", "gru", "--layers", "2", "--embedding", "3", "--dtype", "float64")
    train("text.h5", "-o", "b", "--init-from", "a", "--dropout", "0.4", size=("--device", "cpu", "--windows", "0"))
    theirs, mine = config("a")["training"]["model"], config("b")["training"]["model"]
    assert mine == theirs | {"dropout": 0.4}
    averaged = read_checkpoint(Path("a", "checkpoints", "window-0000000002.safetensors")).tensors
    for name, array in last("b").items():
        if f"average.{name}" in averaged:
            assert array.tobytes() == averaged[f"average.{name}"].tobytes()
    train("text.h5", "-o", "c", "--init-from", "a", "--hidden", "5", "--cell", "gru", size=("--windows", "0"))


@pytest.mark.parametrize(
    ("option", "has"), [("--cell=lstm", "gru"), ("--hidden=7", "5"), ("--embedding=2", "none"), ("--layers=2", "1")]
)
def test_an_option_that_contradicts_that_run_is_named(option: str, has: str):
    train("text.h5", "-o", "a", "--cell", "gru")
    done = train("text.h5", "-o", "b", "--init-from", "a", option, size=("--windows", "0"), code=2)
    flag, value = option.split("=")
    told = f"gpurnn: train: {flag} {value} contradicts --init-from: the network of a/checkpoints/"
    assert done.stderr.startswith(told)
    assert done.stderr.endswith(f" has {has}; leave {flag} out\n")
    assert not Path("b").exists()


def test_another_vocabulary_is_named():
    train("text.h5", "-o", "a")
    done = train("other.h5", "-o", "b", "--init-from", "a", size=("--device", "cpu"), code=1)
    assert "its vocabulary (" in done.stderr
    assert f"prepare the text with --vocab-from {Path('text.h5').resolve()}" in done.stderr
    assert not Path("b").exists()


# A run without a checkpoint


@pytest.mark.parametrize("begun", [(), ("--init-from", "a")], ids=["new", "init-from"])
def test_a_run_without_a_checkpoint_is_begun_by_a_resume(begun: tuple[str, ...]):
    train("text.h5", "-o", "a", "--seed", "5")
    size = SMALL if not begun else SMALL[:4]
    train("text.h5", "-o", "whole", *begun, size=size)
    train("text.h5", "-o", "cut", *begun, size=size)
    shutil.rmtree("cut/checkpoints")
    Path("cut/checkpoints").mkdir()
    Path("cut/best.safetensors").unlink(missing_ok=True)
    done = CliRunner().invoke(main, ["sample", "cut"])
    assert (done.exit_code, "train it first with gpurnn train --resume cut" in done.stderr) == (1, True)
    done = train("--resume", "cut", size=("--windows", "2", "--device", "cpu"))
    assert done.stderr.startswith("cut has no checkpoint yet: beginning at its first window\n")
    whole, cut = last("whole"), last("cut")
    assert whole.keys() == cut.keys()
    for name, array in whole.items():
        assert array.tobytes() == cut[name].tobytes(), name


def test_a_run_without_a_checkpoint_whose_beginning_is_gone():
    train("text.h5", "-o", "a")
    train("text.h5", "-o", "b", "--init-from", "a", size=("--device", "cpu", "--windows", "0"))
    for path in Path("b/checkpoints").iterdir():
        path.unlink()
    train("--resume", "a", size=("--windows", "4", "--device", "cpu"))  # its file has another name now
    Path("a/checkpoints/window-0000000002.safetensors").unlink()
    done = train("--resume", "b", size=("--device", "cpu"), code=1)
    assert done.stderr.startswith("gpurnn: b has no checkpoint yet, and what it was to begin with, ")
    assert done.stderr.endswith("; remove that folder and start the run again\n")


# Short texts


@pytest.mark.parametrize("length", [2, 3, 20, 25, 30, 64, 65, 66])
def test_a_short_text_is_trained_on(length: int):
    make_corpus(Path("short.h5"), ["abcde fghij"[i % 11] for i in range(length)], split=(1, 0, 0))
    shutil.move("short.txt", "single.txt")
    make_corpus(Path("short.h5"), ["".join("abcde fghij"[i % 11] for i in range(length))], split=(1, 0, 0), force=True)
    done = train("short.h5", "-o", "r")
    steps = min(64, length - 1)
    expected = f"--lanes 1 and --bptt {steps} instead of 32 and 64" if steps < 64 else "--lanes 1 instead of 32"
    assert f"{length} tokens are few: {expected}\n" in done.stderr
    assert (config()["training"]["lanes"], config()["training"]["steps"]) == (1, steps)


@pytest.mark.parametrize("length", [21, 30, 40, 700])
def test_a_short_valid_split_is_validated_on(length: int):
    make_corpus(Path("short.h5"), ["".join("abcde fghij"[i % 11] for i in range(length))], split=(0.8, 0.2, 0))
    done = train("short.h5", "-o", "r", "--validate-every", "1")
    assert "validation now: 2." in done.stderr
    assert "measure:  gpurnn evaluate r\n" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--bptt", "64"),
            "a window of 64 steps is longer than a lane, which has 29 of 29 targets; use at most 29 steps",
        ),
        (("--bptt", "20", "--lanes", "2"), "use at most 14 steps (--bptt), or at most 1 lanes (--lanes)"),
        (("--lanes", "30"), "30 lanes do not fit 30 tokens; the most that fit are 29"),
    ],
)
def test_what_is_given_and_does_not_fit_a_short_text(options: tuple[str, ...], told: str):
    make_corpus(Path("short.h5"), ["".join("abcde fghij"[i % 11] for i in range(30))], split=(1, 0, 0))
    done = train("short.h5", "-o", "r", *options, code=1)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("r").exists()


# No valid split


@pytest.mark.parametrize(
    ("split", "measure"), [((1, 0, 0), None), ((0.8, 0, 0.2), "gpurnn evaluate r --split test")], ids=["train", "test"]
)
def test_without_a_valid_split_nothing_is_recommended_that_fails(split: tuple[float, ...], measure: str | None):
    make_corpus(Path("some.h5"), documents(9), split=split)
    done = train("some.h5", "-o", "r", "--patience", "3")
    (told,) = [line for line in done.stderr.splitlines() if "valid" in line]
    assert told == (
        "gpurnn: some.h5: split valid has nothing to predict, so without validations --patience 3 never ends training, "
        "and there is no best checkpoint, and --schedule plateau never lowers the rate; "
        "prepare the text with --split 0.9,0.1,0"
    )
    advice = [line.split(":", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("measure:")]
    assert advice == ([measure] if measure else [])
    for line in advice:
        assert CliRunner().invoke(main, line.split()[1:]).exit_code == 0


def test_documents_of_one_token_are_nothing_to_predict():
    make_corpus(Path("some.h5"), ["abcabc" * 30, *"abcabcabc" * 9], split=(0.7, 0.3, 0))
    done = train("some.h5", "-o", "r", "--patience", "3")
    assert "some.h5: split valid has nothing to predict, so without validations --patience 3 never ends" in done.stderr
    assert "validation now" not in done.stderr
    assert "measure:" not in done.stderr
    make_corpus(Path("none.h5"), [*"abcabcabc" * 9], split=(1, 0, 0))
    done = train("none.h5", "-o", "s", code=1)
    assert (
        done.stderr.splitlines()[-1]
        == "gpurnn: none.h5: split train has nothing to predict, every document in it is one token"
    )
    assert not Path("s").exists()


def test_patience_without_validations_is_warned_of():
    done = train("text.h5", "-o", "r", "--patience", "3", "--validate-every", "0", "--schedule", "constant")
    assert "gpurnn: --validate-every 0, so without validations --patience 3 never ends training; use an" in done.stderr
    assert "without validations" not in train("text.h5", "-o", "s", "--validate-every", "0").stderr


# What is said at the end


def test_what_was_skipped_and_a_validation_that_is_not_finite_are_told(monkeypatch: pytest.MonkeyPatch):
    consume = Learner.consume

    def poisoned(self: Learner, window: Any) -> None:
        if self.progress.windows == 2:
            self.model.params.values.fill(np.nan)
            self.optimizer.average.fill(np.nan)  # type: ignore[union-attr]
        consume(self, window)

    monkeypatch.setattr(Learner, "consume", poisoned)
    done = train("text.h5", "-o", "r", "--windows", "5", "--validate-every", "0")
    assert "\n3 windows were skipped because their loss or gradient was not finite\n" in done.stderr
    assert (
        "\nvalidation now: not finite; the model has diverged: start again with a lower --lr or --clip\n" in done.stderr
    )
    done = train("text.h5", "-o", "s", "--windows", "90", "--skip-limit", "4", "--log-every", "9", code=1)
    assert done.stderr.splitlines()[-1] == (
        "gpurnn: window 9: 7 windows in a row were skipped; start again with a lower --lr or --clip; "
        "the last checkpoint is s/checkpoints/window-0000000009.safetensors; "
        "7 windows were skipped because their loss or gradient was not finite"
    )


def test_an_error_and_a_save_that_fails_are_one_line(monkeypatch: pytest.MonkeyPatch):
    from gpurnn.exceptions import CorpusError
    from gpurnn.runs import directory

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    def unreadable(self: Learner, window: Any) -> None:
        monkeypatch.setattr(directory, "write_durably", fail)
        raise CorpusError("text.h5: cannot be read any more")

    monkeypatch.setattr(Learner, "consume", unreadable)
    told = train("text.h5", "-o", "r", code=1).stderr.splitlines()[-1]
    assert told.startswith(
        "gpurnn: text.h5: cannot be read any more; cannot write checkpoint r/checkpoints/window-0000000000.safetensors:"
    )
    assert told.endswith("; there is no checkpoint yet; gpurnn train --resume r begins at the first window")
