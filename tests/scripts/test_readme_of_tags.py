"""The sections on labels and tags and on captions of the README: their commands run, and say what they show."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from demo_lib.library import sources, write_table
from tasks_lib.digits import WORDS

from gpurnn.cli.main import main
from tests.test_readme import session

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_labels_and_tags_go_as_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a few modules, posts and sentences and a year of weather, for a few windows.

    What is no command of this program is left out: the demo's, which has tests of its own, and what makes its tables.
    """
    monkeypatch.chdir(tmp_path)
    _write_source(tmp_path)
    _write_sky(tmp_path)
    posts = ["positive\tI love it", "negative\tit is late again", "negative\tnobody says why", "positive\tlove"]
    sentences = ["江\tB-PER\n泽\tI-PER\n在\tO\n", "北\tB-LOC\n京\tI-LOC\n会\tO\n"]
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.tsv").write_text("\n".join(posts * 10))
        (tmp_path / f"{split}.conll").write_text("\n".join(sentences * 20))
    (tmp_path / "posts.txt").write_text("I love how quiet this car is\nnobody says why\n")
    done = {}
    for command, shown in session("Labels and tags"):
        *before, ours = re.split(r" \| (?=gpurnn)", command)
        if not ours.startswith("gpurnn"):
            continue
        words = shlex.split(re.sub(r" --(windows|minutes) \d+", "", ours.partition(" | ")[0]))
        if words[1] == "train":
            words += ["--windows", "20"]
        given = "江 泽 民" if before and before[0].startswith("echo") else (tmp_path / "station.csv").read_text()
        result = CliRunner().invoke(main, words[1:], input=given)
        assert result.exit_code == 0, result.output
        done[" ".join(words[1:3])] = (result, [line for line in shown if line.strip()])
    assert len(done) == 16
    _expect_source(done)
    prepared, shown = done["prepare sky.csv"]
    assert prepared.stdout.splitlines() == shown
    evaluated, shown = done["evaluate runs/sky"]
    assert evaluated.stdout.splitlines()[4].split()[:2] == shown[3].split()[:2] == ["this", "model"]
    assert evaluated.stdout.splitlines()[5] == shown[4]
    answered, shown = done["predict runs/sky"]
    assert answered.stdout.splitlines()[0] == shown[0] and len(answered.stdout.splitlines()) == 4
    labelled, _ = done["predict runs/mood"]
    assert [line.split("\t")[2] for line in labelled.stdout.splitlines()] == [
        "I love how quiet this car is",
        "nobody says why",
    ]
    named, _ = done["predict runs/names"]
    assert [line.split("\t")[0] for line in named.stdout.splitlines()] == ["江", "泽", "民", ""]


def _write_source(folder: Path) -> None:
    """Tables of the first lines of a few modules."""
    (folder / "library").mkdir()
    for name in ("abc", "bisect", "heapq", "keyword", "queue", "this"):
        shutil.copy(Path(sysconfig.get_path("stdlib")) / f"{name}.py", folder / "library")
    library = sources(folder / "library")
    tables = folder / "tables"
    tables.mkdir()
    for name in library:
        files = [(path, text[:3000], kinds[:3000]) for path, text, kinds in library[name]]
        write_table(tables / f"{name}.tsv", files)
    (tables / "one.tsv").write_bytes((tables / "test.tsv").read_bytes())


def _write_sky(folder: Path) -> None:
    """What the README makes of the weather that comes with the checkout, by awk where there is one."""
    with gzip.open(SCRIPTS / "demo_data" / "weather.csv.gz", "rt") as file:
        header, *rows = file.read().splitlines()
    hours = [(int(row.split(",")[1][11:13]) + 19) % 24 for row in rows]
    told = [f"{row},{'day' if 6 <= hour < 18 else 'night'}" for row, hour in zip(rows, hours, strict=True)]
    (folder / "sky.csv").write_text("\n".join([f"{header},sky", *told]) + "\n")
    (folder / "station.csv").write_text("\n".join([header, *rows[:3]]) + "\n")


def _expect_source(done: dict[str, tuple[Result, list[str]]]) -> None:
    trained, shown = done["train source.h5"]
    assert trained.stderr.splitlines()[-3:] == shown[-3:]
    assert "windows are done; wrote runs/source/checkpoints/window-" in trained.stderr
    evaluated, shown = done["evaluate runs/source"]
    lines = [line for line in evaluated.stdout.splitlines() if line.strip()]
    assert [line.split()[0] for line in lines[:6]] == [line.split()[0] for line in shown[:6]]


@pytest.mark.skipif(shutil.which("awk") is None, reason="there is no awk")
def test_the_sky_is_made_as_it_is_shown(tmp_path: Path):
    (made,) = ([command, *shown] for command, shown in session("Labels and tags") if "awk" in command)
    _write_sky(tmp_path)
    expected = (tmp_path / "sky.csv").read_text()
    command = "\n".join(made).replace("scripts/demo_data", str(SCRIPTS / "demo_data"))
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "sky.csv").read_text() == expected


def test_captions_go_as_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On two pictures of each digit, for a few windows."""
    monkeypatch.chdir(tmp_path)
    vectors, words = np.zeros((60, 64), np.float32), []
    for number in range(60):
        vectors[number, number % 10] = 1
        words.append(WORDS[number % 10])
    np.save("vectors.npy", vectors)
    np.save("new.npy", vectors[:5])
    for split, begin, end in (("train", 0, 40), ("valid", 40, 50), ("test", 50, 60)):
        Path(f"{split}.txt").write_text("".join(f"{word}\n" for word in words[begin:end]))
    done = {}
    for command, shown in session("Captions"):
        shorter = command.replace("--minutes 0.5", "--windows 60 --hidden 32 --lr 0.02")
        result = CliRunner().invoke(main, shlex.split(shorter)[1:])
        assert result.exit_code == 0, result.output
        done[command.split()[1]] = (result.stdout.splitlines(), shown)
    assert [*done] == ["prepare", "train", "evaluate", "predict"]
    for name in ("prepare", "evaluate"):
        found, shown = ([line.split()[:1] for line in lines if line.strip()] for lines in done[name])
        assert found == shown
    assert done["predict"][0] == [*WORDS[:5]]
