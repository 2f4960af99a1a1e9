"""Labels and tags in `scripts/tasks`: a whole task on small data, what is inside long runs, and the table."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tasks_lib import labelled_sets
from tasks_lib.labelled import LabelledFound, LabelledTask, Training, measure_labelled
from tasks_lib.labelled_sets import LABELLED
from tasks_lib.labelled_table import told_labelled
from tasks_lib.long_runs import in_long_runs


def test_long_runs_are_longer_than_asked():
    row = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1], bool)
    assert in_long_runs(row, 2).tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert in_long_runs(row, 3).tolist() == [0] * 8 + [1] * 4
    assert not in_long_runs(row, 4).any() and in_long_runs(row, 0).tolist() == row.tolist()
    assert not in_long_runs(np.zeros(0, bool), 0).any()


def write_quoted(sources: Sequence[Path], folder: Path) -> Mapping[str, Path]:
    """Letters of which those in quotes are tagged as such; what a letter is says nothing of that."""
    assert [source.name for source in sources] == ["data"]
    rng, paths = random.Random(1), {}
    for split, count in (("train", 300), ("valid", 5), ("test", 20)):
        rows = []
        for _ in range(count):
            inside = False
            for _ in range(30):
                quote = rng.random() < 0.2
                rows.append(f"{'q' if quote else rng.choice('ab')}\t{'string' if inside or quote else 'name'}\n")
                inside ^= quote
            rows.append("\n")
        paths[split] = folder / f"{split}.tsv"
        paths[split].write_text("".join(rows))
    return paths


TASK = LabelledTask(
    title="quotes",
    package="pack==1",
    members=["data"],
    licence="CC0",
    write=write_quoted,
    prepare={"tags": True},
    train={"both_directions": True, "windows": 60},
    others={"through": {"layout": "through", "lanes": 8, "windows": 60}},
    baselines={"a guess": lambda sources: {"accuracy": len(sources) / 4}},
    long_runs=("string", 3),
)


def test_a_task_is_measured_beside_its_baselines(tmp_path: Path):
    found = measure_labelled(TASK, [tmp_path / "data"], tmp_path, None, 2)
    assert found.targets == 600 and 100 < found.inside < 500
    assert len(found.seeds) == 2 and list(found.others) == ["through"]
    for training in (*found.seeds, *found.others.values()):
        assert training.scores["accuracy"] > 0.6 and training.windows == 60 and 0 < training.inside <= 1
    assert found.baselines["a guess"] == {"accuracy": 0.25}
    assert 0.4 < found.baselines["commonest tag a token"]["accuracy"] < 0.8
    assert set(found.f1) == {"name", "string"}


def test_a_table_has_a_row_for_each_training_and_baseline():
    scores = {"accuracy": 0.5, "macro_f1": 0.25, "span_f1": 0.125}
    better = {"accuracy": 0.7, "macro_f1": 0.35, "span_f1": 0.325}
    found = LabelledFound(
        targets=1234,
        inside=50,
        seeds=[Training(scores, 10, 1.0, "it is done", 0.5), Training(better, 2000, 2.4, "done", 0.75)],
        others={"through": Training(scores, 3, 1.0, "it is done", 0.25)},
        baselines={"all O": scores, "a guess": {"accuracy": 0.25}},
        f1={"name": 0.1234, "string": 1.0},
    )
    assert list(told_labelled("quotes", TASK, found)) == [
        "quotes: quotes; 1,234 in test (pack 1, CC0)",
        "                                                accuracy  macro F1   span F1",
        "  gpurnn, seed 1                                  0.5000    0.2500    0.1250   10 windows in 1 s: it is done",
        "  gpurnn, seed 2                                  0.7000    0.3500    0.3250   2,000 windows in 2 s: done",
        "  gpurnn, mean of 2                               0.6000    0.3000    0.2250",
        "  gpurnn, through                                 0.5000    0.2500    0.1250   3 windows in 1 s: it is done",
        "  all O                                           0.5000    0.2500    0.1250",
        "  a guess                                         0.2500",
        "  F1 of seed 1: name 0.123, string 1.000",
        "  accuracy in strings of more than 3 steps, 50 in all: seed 1 0.500, seed 2 0.750, through 0.250",
    ]


def test_the_tasks_are_as_they_are_told_of():
    assert list(LABELLED) == ["names", "source", "tweets", "recordings"]
    told_of = (Path(labelled_sets.__file__).parents[1] / "tasks").read_text()
    for name, task in LABELLED.items():
        assert f"  {name} " in told_of and f"{task.package.replace('==', ' ')} ({task.licence})" in told_of
