"""`gpurnn prepare --frames`, `gpurnn info` of what it makes, and the same by the front door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import gpurnn
from gpurnn.cli.main import main
from gpurnn.exceptions import UsageError

REPORT = """\
made.h5: 3 characters, arrays, 6 numbers a frame
  train              10 frames in 2 sequences, 4 labels
  valid               5 frames in 1 sequence, 2 labels
  test                0 frames in 0 sequences, 0 labels
  the longest sequence has 5 frames, the longest text 2 labels
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        np.save(f"{name}.npy", np.arange(20).reshape(10, 2))
    said = [{"path": "a.npy", "words": "One"}, {"path": "b.npy", "words": "neo"}]
    Path("list").write_text("".join(json.dumps(each) + "\n" for each in said))
    Path("more").write_text("path\twords\nc.npy\tne\n")
    return tmp_path


def run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], **options)


def test_frames_are_prepared_and_described(here: Path) -> None:
    Path("list").write_text('{"path": "a.npy", "words": "On"}\n{"path": "b.npy", "words": "eo"}\n')
    asked = ["--frames", "--text", "words", "--valid", "more", "--splice", 1, "--skip", 2, "--lower"]
    done = run("prepare", "list", "-o", "made.h5", *asked)
    assert (done.exit_code, done.output) == (0, REPORT)
    facts = json.loads(run("info", "made.h5", "--json", "--verify").stdout)
    assert (facts["kind"], facts["inputs"], facts["tokens"], facts["policy"]["lower"]) == ("frames", 6, "chars", True)
    assert facts["form"] == {"kind": "arrays", "width": 2, "splice": 1, "skip": 2}
    assert facts["labels"] == [{"name": "e", "count": 1}, {"name": "n", "count": 1}, {"name": "o", "count": 2}]
    assert facts["splits"]["train"] == {"steps": 10, "documents": 2, "labels": 4}
    assert "columns" not in facts and "keys" not in facts
    assert "  train           steps 10, documents 2, labels 4" in run("info", "made.h5").stdout.splitlines()
    again = gpurnn.prepare(
        "list", "again.h5", frames=True, text="words", valid="more", splice=1, skip=2, lower=True, seed=0
    )
    assert again.fingerprint == facts["fingerprint"]


def test_from_a_pipe(here: Path) -> None:
    done = run("prepare", "-", "-o", "made.h5", "--frames", "--split", "1,0,0", input="a.npy\tOne\nb.npy\tneo\n")
    assert done.exit_code == 0
    assert "made.h5: 4 characters, arrays, 2 numbers a frame" in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "--text", "words"], "--text is for --frames; give it, too"),
        (["list", "--pairs", "--splice", 1], "--splice is for --frames; give it, too"),
        (
            ["list", "--frames", "--pairs"],
            "--pairs contradicts --frames: a corpus is of one kind; leave one of them out",
        ),
        (["list", "--frames", "--series"], "--frames is for texts, not for --series; leave one of them out"),
        (["list", "--frames", "--label-column", "a"], "--label-column is for --labels; give it, too"),
        (["list", "--frames", "--document-separator", "x"], "--document-separator is for texts, not for --frames"),
        (["list", "--frames", "--tokens", "bytes"], "--tokens bytes: labels of frames are chars or words"),
        (["list", "--frames", "--min-count", 2], "--min-count 2: labels of frames are kept, however rare"),
        (["list", "--frames", "--split", "1,0,0", "--valid", "more"], "--split contradicts --valid and --test"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[object], told: str, here: Path) -> None:
    done = run("prepare", *arguments, "-o", "made.h5")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"gpurnn: {told}")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_list_is_one_line(here: Path) -> None:
    done = run("prepare", "list", "-o", "made.h5", "--frames")
    assert done.exit_code == 1
    assert done.stderr == "gpurnn: list, line 1: there is no 'text' for --text; it has path, words\n"
    assert not Path("made.h5").exists()


def test_the_front_door_refuses_what_it_does_not_know(here: Path) -> None:
    with pytest.raises(UsageError, match="`skip` is for `frames`; give it, too"):
        gpurnn.prepare("list", "made.h5", skip=2)
