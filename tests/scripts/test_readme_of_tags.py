"""The section on labels and tags of the README: its commands run, and say what it shows."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from demo_lib.library import sources, write_table

from gpurnn.cli.main import main
from tests.test_readme import session


def test_labels_and_tags_go_as_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a few modules and posts, for a few windows; the first command is the demo's, which has tests of its own."""
    monkeypatch.chdir(tmp_path)
    library = sources()
    (tmp_path / "tables").mkdir()
    for name, files in {
        "train": library["train"][:3],
        "valid": library["valid"][:1],
        "test": library["test"][:1],
    }.items():
        write_table(
            tmp_path / "tables" / f"{name}.tsv", [(path, text[:3000], kinds[:3000]) for path, text, kinds in files]
        )
    (tmp_path / "tables" / "one.tsv").write_bytes((tmp_path / "tables" / "test.tsv").read_bytes())
    posts = [
        "positive\tI love it",
        "negative\tit is late again",
        "negative\tnobody says why it is late",
        "positive\tlove",
    ]
    (tmp_path / "tweets.tsv").write_text("\n".join(posts * 30))
    (tmp_path / "posts.txt").write_text("I love how quiet this car is\nnobody says why\n")
    done = {}
    for command, shown in session("Labels and tags")[1:]:
        words = shlex.split(command.partition(" | ")[0].replace("--windows 4200", "--windows 20"))
        if "tweets.h5" in words and words[1] == "train":
            words += ["--windows", "20"]
        result = CliRunner().invoke(main, words[1:])
        assert words[0] == "gpurnn" and result.exit_code == 0, result.output
        done[" ".join(words[1:3])] = (result, shown)
    assert len(done) == 7
    trained, shown = done["train source.h5"]
    assert trained.stderr.splitlines()[-3:] == [line for line in shown if line][-3:]
    assert "windows are done; wrote runs/source/checkpoints/window-" in trained.stderr
    evaluated, shown = done["evaluate runs/source"]
    first = [
        [line.split()[0] for line in lines if line.strip()][:6] for lines in (evaluated.stdout.splitlines(), shown)
    ]
    assert first[0] == first[1]
    labelled, _ = done["predict runs/mood"]
    assert [line.split("\t")[2] for line in labelled.stdout.splitlines()] == [
        "I love how quiet this car is",
        "nobody says why",
    ]
