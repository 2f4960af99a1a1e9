"""`gpurnn doctor`: where its page and its numbers go, what they never replace, and what is left where it is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from signalled import default_signals_here
from trained import make_corpus, make_run

from gpurnn import backend
from gpurnn.cli.console import ReaderGoneError
from gpurnn.cli.main import main
from gpurnn.diagnosis.doctor import PANELS
from gpurnn.diagnosis.report import Panel, Report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and a run of a few windows."""
    folder = tmp_path_factory.mktemp("outputs")
    corpus = make_corpus(folder / "made.h5", ["one fish two fish. " * 60], split=(0.5, 0.5, 0))
    make_run(backend.get("cpu"), corpus, folder / "run")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "run", tmp_path / "run")
    shutil.copy(made / "made.h5", tmp_path / "made.h5")
    return tmp_path


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "run", "made.h5", "--seconds", "0", *arguments])


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("option", ["-o", "--json"])
@pytest.mark.parametrize(
    "name",
    [
        "run/config.json",
        "run/new.json",
        "run/checkpoints/new.json",
        "other/best.safetensors",
        "to-run/log.jsonl",
        "to-log",
        "made.h5",
        "alone.safetensors",
    ],
)
def test_nothing_of_what_is_looked_at_is_replaced(here: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str):
    shutil.copytree(here / "run", here / "other")
    shutil.copy(here / "run" / "best.safetensors", here / "alone.safetensors")
    (here / "to-run").symlink_to("run")
    (here / "to-log").symlink_to("run/log.jsonl")
    before = files(here)
    monkeypatch.setattr("gpurnn.cli.doctor.look_at", None)
    result = doctor("--against", "other", "--checkpoint", "alone.safetensors", option, name, "--force")
    assert result.exit_code == 2, result.stderr
    assert "it belongs to what is looked at" in result.stderr and len(result.stderr.splitlines()) == 1
    assert files(here) == before


def test_numbers_on_standard_output_stand_there_alone(here: Path):
    result = doctor("--json", "-", "-o", "page.html")
    assert result.exit_code == 0, result.stderr
    assert list(json.loads(result.stdout)["panels"]) == list(PANELS)
    assert (here / "page.html").exists() and not (here / "-").exists()
    assert doctor("-o", "-").exit_code == 2  # as for all other files


def test_who_closes_the_pipe_gets_the_files_and_the_exit_code(here: Path, monkeypatch: pytest.MonkeyPatch):
    def gone(text: str) -> None:
        raise ReaderGoneError

    with (here / "run" / "log.jsonl").open("a") as log:
        log.write('{"window": 11, "skipped_windows": 1}\n')
    monkeypatch.setattr("gpurnn.cli.console.show", gone)
    result = doctor("--json", "found.json", "-o", "page.html", "--fail-on", "warning")
    assert result.exit_code == 1 and not result.output
    assert json.loads((here / "found.json").read_text())["format"] == 1
    assert (here / "page.html").read_bytes().endswith(b"</html>\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("option", ["-o", "--json"])
def test_a_signal_while_a_file_is_written_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, option: str, number: signal.Signals
):
    def stopped(descriptor: int) -> None:
        signal.raise_signal(number)

    before = files(here)
    monkeypatch.setattr(os, "fsync", stopped)
    with default_signals_here():
        result = doctor(option, "found")
    assert result.exit_code == 128 + number
    assert files(here) == before


def test_of_two_runs_only_numbers_are_compared_that_both_have_and_that_mean_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    found = iter([(0.9, 3.0, "same"), (np.nan, 2.0, "same"), (0.9, 3.0, "one"), (0.8, 2.0, "two")])

    def told(*arguments: object, **more: object) -> Report:
        cosine, mean, fingerprint = next(found)
        numbers = {name: {} for name in PANELS} | {"window": {"cosine": np.float64(cosine)}, "text": {"mean": mean}}
        panels = {name: Panel("info", name, numbers[name]) for name in PANELS}
        return Report("run", "checkpoint", fingerprint, {}, "cpu", 1, panels)

    monkeypatch.setattr("gpurnn.cli.doctor.look_at", told)
    for told_of in ("loss of a target 3 (2)", "cosine of a window's gradient 0.9 (0.8)"):
        result = doctor("--against", "run")
        assert result.stdout.splitlines()[-1] == f"against run: {told_of}", result.output
