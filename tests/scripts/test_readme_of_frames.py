"""The section on frames of the README: its commands run, and say what it shows."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tasks_lib import lines, spoken
from tasks_lib.lines import Part
from tasks_lib.sounds import write_sound

from gpurnn.cli.main import main
from tests.test_readme import of_one_form, session

SECTION = "Frames: lines of writing and speech"
Done = list[tuple[Result, list[str]]]
"""What came out of the commands, and the lines that are shown below each."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(spoken_ones: bool, given: str = "") -> Done:
    """Those commands of the section that have to do with runs/spoken, or those that have not; windows are few."""
    done = []
    for command, shown in session(SECTION):
        if ("spoken" in command) == spoken_ones:
            ours = re.sub(r"^tail .* \| | \| PYTHONPATH.*", "", command)
            windows = 150 if "train lines.h5" in ours else 20
            ours = re.sub(r"( --hidden \d+)? --minutes [\d.]+", f" --windows {windows} --hidden 16 --lr 0.03", ours)
            done.append((CliRunner().invoke(main, shlex.split(ours)[1:], input=given), shown))
            assert done[-1][0].exit_code == 0, done[-1][0].output
    return done


def alike(found: str, shown: list[str], folder: Path) -> bool:
    """Whether the first three lines are the same but for numbers."""
    return of_one_form(found.replace(str(folder), "/home/you").splitlines())[:3] == of_one_form(shown)[:3]


def write_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of a few lines, of pictures that are easily told apart, and of few days."""
    points = (16 * (np.random.default_rng(1).random((10, 64)) < 0.4)).astype(int).tolist()
    with gzip.open(folder / "digits.csv.gz", "wt") as out:
        out.writelines(",".join(map(str, [*points[n % 10], n % 10])) + "\n" for n in range(60))
    monkeypatch.setattr(lines, "PARTS", {"train": Part(0, 30, 80), "valid": Part(30, 40, 6), "test": Part(40, 60, 8)})
    every = [f"2023{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)]
    monkeypatch.setattr(lines, "days", lambda: (every[6:], every[:6]))
    lines.write_lines([folder / "digits.csv.gz"], folder)
    (folder / "some.jsonl").write_text("".join((folder / "test.jsonl").read_text().splitlines(True)[:4]))
    (folder / "some-days.txt").write_text("".join(f"dates/0000{number}.npy\n" for number in range(3)))
    frames = np.load(folder / "test" / "00000.npy")
    (folder / "columns.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in frames.tolist()) + "\n")


def test_lines_are_read_as_they_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_lists(folder, monkeypatch)
    done = run(False, (folder / "columns.txt").read_text())
    prepared, trained, evaluated, read, _, live, _, _, days, likely, _, greedy, guided = done
    assert of_one_form(prepared[0].stdout.splitlines()) == of_one_form(prepared[1])
    first, *_, last = of_one_form(trained[1])
    assert first.partition(", on cpu")[0] in of_one_form(trained[0].stderr.splitlines())[0]
    assert any(last.partition(";")[0] in line for line in of_one_form(trained[0].stderr.splitlines()))
    for evaluation in (evaluated, greedy, guided):
        assert alike(evaluation[0].stdout, evaluation[1], folder)
    rows = [json.loads(line) for line in read[0].stdout.splitlines()]
    assert [row["predicted_text"] for row in rows] == [row["text"] for row in rows]
    assert live[0].stdout == f"{rows[0]['text']}\n"
    for found, shown in (days, likely):
        cells = [[line.split("\t") for line in lines if line] for lines in (found.stdout.splitlines(), shown)]
        assert [[each[0], len(each)] for each in cells[0]] == [[each[0], len(each)] for each in cells[1]]


def test_speech_is_heard_as_it_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("kaldi_native_fbank", reason="what reads sound is not installed")
    monkeypatch.setattr(spoken, "COUNTS", {"train": 20, "valid": 3, "test": 4})
    for digit in range(10):
        sound = np.sin(np.arange(2400) * (200 + 150 * digit) * 2 * np.pi / 8000)
        write_sound(folder / f"{digit}.wav", sound, 8000)
    spoken.write_recorded([folder / f"{digit}.wav" for digit in range(10)], folder)
    prepared, _, evaluated, heard = run(True)
    assert of_one_form(prepared[0].stdout.splitlines()) == of_one_form(prepared[1])
    assert alike(evaluated[0].stdout, evaluated[1], folder)
    name, text, times = heard[0].stdout.rstrip("\n").split("\t")
    assert name == "test/0003.wav" and len(text.split()) == len(times.split())
