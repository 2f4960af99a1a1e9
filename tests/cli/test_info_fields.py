"""`gpurnn info` and other commands, given a corpus that is not text."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpora import EVERY, Made, columns, rows, starts

from gpurnn.cli.main import main
from gpurnn.data.corpus.tables import Tables


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    EVERY["series"]().write(tmp_path / "w.h5")
    return tmp_path


def test_facts_about_series(here: Path) -> None:
    facts = json.loads(CliRunner().invoke(main, ["info", "w.h5", "--json", "--verify"]).stdout)
    assert (facts["path"], facts["kind"], facts["verified"]) == ("w.h5", "series", True)
    assert facts["columns"][:2] == [
        {"name": "temp", "mean": 10.25, "scale": 0.5},
        {"name": "wind °", "mean": 11.25, "scale": 1.5},
    ]
    assert [each["name"] for each in facts["columns"][2:]] == ["hour_sin", "hour_cos", "year_sin", "year_cos"]
    assert (facts["interval"], facts["season"], facts["keys"]) == (3600, 24, ["EWR", "Zürich"])
    # 1,357,000,000 s, the whole hour before it, is 2013-01-01 00:00; the second key begins 5 h earlier;
    # the second document, 13 rows, begins 30 h later
    assert facts["splits"] == {
        "train": {"steps": 40, "documents": 3, "begin": "2012-12-31T19:00:00Z", "end": "2013-01-02T18:00:00Z"},
        "valid": {"steps": 0, "documents": 0, "begin": None, "end": None},
        "test": {"steps": 9, "documents": 2, "begin": "2014-02-21T16:00:00Z", "end": "2014-02-21T20:00:00Z"},
    }


def test_series_for_people(here: Path) -> None:
    shown = CliRunner().invoke(main, ["info", "w.h5"]).stdout.splitlines()
    assert "  wind °          mean 11.2500, scale 1.5000" in shown
    assert "interval        1 h" in shown
    assert "keys            EWR  Zürich" in shown
    assert "  valid           steps 0, documents 0, begin none, end none" in shown


def test_of_many_columns_the_first_are_shown_and_odd_names_quoted(here: Path) -> None:
    names = ("\x1b[31m", *(f"column {i}" for i in range(59)))
    split = {"reals": rows(3, 60), "documents": starts(0), "targets": starts(1).astype("u1")}
    made = Made("labels", {"train": split}, Tables(columns=columns(*names), labels=("a", "b")))
    made.counts = {"labels": [0, 1]}
    made.write(here / "wide.h5")
    shown = CliRunner().invoke(main, ["info", "wide.h5"]).stdout
    assert "\x1b" not in shown and r"'\x1b[31m'" in shown
    assert "column 38 " in shown and "column 39 " not in shown and "  and 20 more" in shown


def test_labels_have_their_counts(here: Path) -> None:
    EVERY["tags of symbols"]().write(here / "t.h5")
    facts = json.loads(CliRunner().invoke(main, ["info", "t.h5", "--json"]).stdout)
    counts = {"O": 2, "B-PER": 1, "I-PER": 1}
    assert facts["labels"] == [{"name": name, "count": count} for name, count in counts.items()]
    assert (facts["kind"], facts["symbols"]) == ("tags", 3)
    shown = CliRunner().invoke(main, ["info", "t.h5"]).stdout.splitlines()
    assert shown[3:7] == ["labels", *(f"  {name:<14}  count {count}" for name, count in counts.items())]


def test_a_label_that_is_a_space_is_quoted(here: Path) -> None:
    made = EVERY["tags of symbols"]()
    made.tables = replace(made.tables, labels=("O", "X", " "))
    made.write(here / "t.h5")
    shown = CliRunner().invoke(main, ["info", "t.h5"]).stdout.splitlines()
    assert shown[6] == "  ' '             count 1"


def test_the_import_says_what_it_copied(here: Path) -> None:
    done = CliRunner().invoke(main, ["import-corpus", "w.h5", "-o", "copy.h5"])
    assert done.exit_code == 0
    assert done.output.splitlines()[:2] == [
        "copy.h5: measured series, 6 columns",
        "  train              40 rows in 3 documents",
    ]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["prepare", "x.txt", "-o", "y.h5", "--vocab-from", "made.h5", "--tokens", "bytes"], (1, 2)),
        (["sample", "made.h5"], (1,)),
        (["train", "made.h5", "-o", "run", "--target", "x", "--ahead", "1h", "--windows", "1"], (1, 2)),
        (["evaluate", "made.h5"], (1,)),
    ],
)
def test_a_corpus_of_another_kind_is_one_line(here: Path, kind: str, arguments: list[str], code: tuple[int]) -> None:
    EVERY[kind]().write(here / "made.h5")
    (here / "x.txt").write_text("abc")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code in code
    assert done.stderr.startswith("gpurnn: ") and done.stderr.count("\n") == 1
    assert not (here / "y.h5").exists() and not (here / "run").exists()
