"""The task of `scripts/tasks` that follows the advice of `gpurnn doctor`: its texts, a whole task, and the table."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tasks_lib import advice
from tasks_lib.advice import AdviceFound, AdviceTask, Run, Trial, advised_value, measure_advice
from tasks_lib.advice_sets import ADVICE
from tasks_lib.advice_table import told_advice
from tasks_lib.advice_texts import FLOOR, LAG, LETTERS, bible, letters_again


def test_lines_in_which_a_letter_comes_again():
    text = letters_again([], 800)
    assert text == letters_again([], 800)
    lines = text.splitlines()
    assert len(lines) == 800 and all(line[0] == line[LAG + 1] and line[1 : LAG + 1] == "." * LAG for line in lines)
    counts = Counter(line[0] for line in lines)
    assert set(counts) == set(LETTERS)
    entropy = -sum(count / 800 * math.log(count / 800) for count in counts.values())
    assert entropy / (LAG + 3) == pytest.approx(FLOOR, rel=0.01)


def test_verses_are_lines_without_numbers(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "Bible.db")) as database:
        database.execute("CREATE TABLE Bible (Passage1 TEXT, Passage2 TEXT)")
        verses = [("1:1 In the  beginning.", ""), ("1:2 And the", "earth: 1:3 And God\nsaid"), ("", "")]
        database.executemany("INSERT INTO Bible VALUES (?, ?)", verses)
        database.commit()
    assert bible([tmp_path / "Bible.db"]) == "In the beginning.\nAnd the earth:\nAnd God\nsaid\n"


def test_the_value_that_a_sentence_names():
    assert advised_value("try `bptt=16`; `clip=1` acted; windows: `bptt=64`; `lr=0.075`", "bptt") == 64
    assert advised_value("a quarter of it is `lr=7.5e-05`", "lr") == 7.5e-5
    assert advised_value("`lr` is too high", "lr") is None


def small(sources: Sequence[Path]) -> str:
    assert [source.name for source in sources] == ["data"]
    return letters_again(sources, 150)


_SMALL = {"cell": "gru", "hidden": 8, "dropout": 0.0, "windows": 40}
TASK = AdviceTask(
    title="advice",
    package="pack==1",
    licence="CC0",
    members=["data"],
    trials={
        "windows": Trial("dots", small, {**_SMALL, "bptt": 4}, "bptt", "state", then=16, floor=FLOOR),
        "rates": Trial("dots", small, {**_SMALL, "bptt": 16, "lr": 3.0}, "lr", "run"),
    },
)


def test_advice_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(advice, "TARGETS", 256)
    monkeypatch.setattr(advice, "_SECONDS", 1.5)
    monkeypatch.setattr(advice, "_TIMES", 1)
    found = measure_advice(TASK, [tmp_path / "data"], tmp_path, None, 2)
    windows, rates = found.runs["windows"], found.runs["rates"]
    assert [run.value for run in windows] == [4, 16]
    assert all(len(run.losses) == 2 and run.windows == 40 and len(run.errors) > 40 for run in windows)
    assert all(FLOOR < loss < math.log(10) for run in windows for loss in run.losses)
    assert windows[0].worth.keys() >= {0, 48}
    assert [run.value for run in rates[:2]] == [3.0, 0.75] and len(rates) == 2
    assert [run.advised for run in rates[:-1]] == [run.value for run in rates[1:]]
    assert "`lr=0.75`" in rates[0].sentence and min(rates[0].losses) > max(rates[-1].losses)
    assert len(list(tmp_path.glob("*.h5"))) == 1, "one corpus of one text"


def test_a_table_has_what_was_said_and_the_losses_before_and_after():
    before = Run(8, 400, [0.15, 0.25], "note", "try `bptt=64`", 64, [1.0] * 50, {0: 0.5, 4: 0.4, 48: 0.0})
    after = Run(64, 400, [0.05, 0.0505], "info", "fine", None)
    rate = Run(0.3, 60, [3.5, 3.7], "warning", "much", 0.075, [1.0] * 50, {0: 0.5})
    assert list(told_advice("advice", TASK, AdviceFound({"windows": [before, after], "rates": [rate]}))) == [
        "advice: advice; 2,048 targets a window (pack 1, CC0)",
        "  windows: dots; no loss is below 0.0484",
        "  nats a symbol of the test split                 mean   seed 1, seed 2",
        "  bptt=8, 400 windows                           0.2000   0.1500, 0.2500",
        "    note: try `bptt=64`",
        "    errors by steps back: 1 at 1, 1 at 20, 1 at 36, 1 at 38, 1 at 40, 1 at 42, 1 at 44",
        "    worth of the state by steps back, nats: 0.5 from 0, 0 from 48",
        "  bptt=64, 400 windows                          0.0503   0.0500, 0.0505",
        "    info: fine",
        "  rates: dots",
        "  nats a symbol of the test split                 mean   seed 1, seed 2",
        "  lr=0.3, 60 windows                            3.6000   3.5000, 3.7000",
        "    warning: much",
    ]


def test_trials_are_of_settings_that_they_have():
    for task in ADVICE.values():
        assert all(trial.setting in trial.options for trial in task.trials.values())
