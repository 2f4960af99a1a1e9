"""The data that `scripts/demo series` brings along, and what the script says of itself."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from demo_lib import lines, speech
from demo_lib.lines import drawn, placed
from tasks_lib.packages import FetchError
from tasks_lib.sounds import write_sound

import gpurnn
from gpurnn.data.corpus import Corpus

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TABLE = SCRIPTS / "demo_data" / "weather.csv.gz"


def test_the_table_is_small_and_told_of():
    with gzip.open(TABLE, "rt") as file:
        header, *rows = csv.reader(file)
    told = TABLE.with_name("README.md").read_text()
    assert TABLE.stat().st_size < 150_000 and f"{len(rows):,} rows" in told and "CC0" in told
    assert all(f"`{name}`" in told for name in header)
    assert {row[0] for row in rows} == {"JFK", "LGA"}


def test_the_table_becomes_the_corpus_that_is_forecast_from(tmp_path: Path):
    gpurnn.prepare(TABLE, tmp_path / "c.h5", series=True, time="time_hour", key="origin", clock=True)
    with Corpus.open(tmp_path / "c.h5") as corpus:
        assert corpus.key_names == ("JFK", "LGA") and corpus.columns.interval == 3600
        assert corpus.columns.names[:4] == ("temp", "dewp", "pressure", "wind_speed")
        assert len(corpus.split("train")) > 12_000 and len(corpus.split("test")) > 3_400


def test_the_demo_says_what_there_is():
    asked = subprocess.run([SCRIPTS / "demo", "-h"], capture_output=True, text=True)
    assert asked.returncode == 0 and "usage: scripts/demo [text|series|tags|lines|speech]" in asked.stdout
    for wrong in (["pictures"], ["series", "2"]):
        refused = subprocess.run([SCRIPTS / "demo", *wrong], capture_output=True, text=True)
        assert refused.returncode == 2 and "usage: scripts/demo" in refused.stderr


def test_a_line_is_drawn_with_what_was_read_below_it():
    frames = np.array([[1, 1, 0, 0], [1, 0, 0, 0.34], [0, 1, 0.35, 1], [0, 0, 0, 0]], np.float32)
    assert list(drawn(frames)) == ["█▀▄", "  █"]
    assert placed("123", [2, 5, 5]) == "  1  23" and placed("", []) == ""


def test_lines_are_written_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    frames = np.array([[1, 1], [1, 0], [0, 1]], np.float32)

    def write_lines(sources: list[Path], folder: Path) -> dict[str, dict[str, Path]]:
        assert sources == [Path("scikit-learn==1.7.2/digits.csv.gz")]
        np.save(folder / "0.npy", frames)
        for split in ("train", "test"):
            (folder / f"{split}.jsonl").write_text('{"frames": "0.npy", "text": "12"}\n' * 6)
        return {"": {split: folder / f"{split}.jsonl" for split in ("train", "test")}}

    monkeypatch.setattr(lines, "data_file", lambda package, member: Path(package) / member)
    monkeypatch.setattr(lines, "write_lines", write_lines)
    lines.write(tmp_path / "made")
    assert capsys.readouterr().out == "train: 6 lines\ntest: 6 lines\nsome: the first 4 of test\n"
    assert len((tmp_path / "made" / "some.jsonl").read_text().splitlines()) == 4
    read = [{"frames": "0.npy", "text": "12", "predicted_text": text, "times": [0, 2]} for text in ("12", "17")]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(row) + "\n" for row in read)))
    lines.read(tmp_path / "made")
    assert capsys.readouterr().out == "█▀▄\n1 2\n\n█▀▄\n1 7   right is 12\n\n"


def test_recordings_are_shown_with_what_was_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sound = np.concatenate([np.zeros(400), np.full(400, 0.5), np.full(400, -0.25), np.full(400, 0.001)])
    write_sound(tmp_path / "0.wav", sound, 8_000)
    read = [{"frames": "0.wav", "text": "six one", "predicted_text": "six on", "times": [0.05, 0.4]}]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(row) + "\n" for row in read)))
    speech.hear(tmp_path)
    assert capsys.readouterr().out == f"{tmp_path}/0.wav\n █▄▁\n six    on   right is six one\n\n"


def test_recordings_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fetch() -> list[Path]:
        raise FetchError("apt-get: there is none")

    monkeypatch.setattr(speech, "fetch_sounds", fetch)
    monkeypatch.setattr("sys.argv", ["demo_lib.speech", "write", str(tmp_path)])
    assert speech.main() == 1 and capsys.readouterr().err == "scripts/demo: apt-get: there is none\n"
