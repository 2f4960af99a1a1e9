"""Pairs and captions in `scripts/tasks`: a whole task on small data, and the table."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from tasks_lib import __main__, paired_sets
from tasks_lib.paired import Made, PairedFound, PairedTask, Way, measure_paired
from tasks_lib.paired_sets import PAIRED
from tasks_lib.paired_table import told_paired

_SMALL = {"windows": 60, "validate_every": 60, "hidden": 24, "embedding": 8, "dropout": 0.0, "lanes": 8, "lr": 0.03}


def write_letters(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Letters and what follows from them: "up" the same in capitals, "twice" the first of them two times."""
    assert [source.name for source in sources] == ["data"]
    rng, found = random.Random(1), {}
    for name, made in (("up", str.upper), ("twice", lambda text: 2 * text[0])):
        found[name] = {split: folder / f"{name}-{split}.tsv" for split in ("train", "valid", "test")}
        for path in found[name].values():
            texts = ["".join(rng.choices("abc", k=rng.randint(1, 2))) for _ in range(200)]
            path.write_text("".join(f"{text}\t{made(text)}\n" for text in texts))
    return found


TASK = PairedTask(
    title="letters",
    package="pack==1",
    members=["data"],
    licence="CC0",
    write=write_letters,
    prepare={"pairs": True, "tokens": "chars"},
    trainings={"both": Way({**_SMALL, "both_directions": True}, "up"), "one": Way(_SMALL, "twice")},
    figures=("exact", "chrf"),
)


def test_a_task_is_measured_beside_a_copy(tmp_path: Path):
    found = measure_paired(TASK, [tmp_path / "data"], tmp_path, 1.0, 2)
    assert {name: len(made) for name, made in found.made.items()} == {"both": 2, "one": 1}
    for made in found.made.values():
        for each in made:
            assert each.scores["exact"] > 0.8 and each.windows == 60 and each.a_second > 0
            assert [length for length, _, _ in each.by_length] == [1, 2]
    assert found.sources["up"] == 12 and found.baselines["up"]["copy of the source"]["exact"] == 0
    assert found.baselines["twice"]["copy of the source"]["exact"] == 3 / 12


def write_vectors(_: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Two numbers, and which of them is larger."""
    vectors = np.random.default_rng(1).normal(size=(300, 2)).astype(np.float32)
    words = ["left\n" if a > b else "right\n" for a, b in vectors]
    paths = {split: folder / f"{split}.txt" for split in ("train", "valid", "test")}
    for path, begin, end in zip(paths.values(), (0, 200, 220), (200, 220, 300), strict=True):
        path.write_text("".join(words[begin:end]))
    np.save(folder / "vectors.npy", vectors)
    return {"": paths | {"vectors": folder / "vectors.npy"}}


def test_a_task_of_captions_has_no_copy(tmp_path: Path):
    trainings = {"vectors": Way(_SMALL)}
    task = PairedTask("sides", "pack==1", "CC0", write_vectors, {"tokens": "chars"}, trainings)
    found = measure_paired(task, [], tmp_path, 1.0, 1)
    (made,) = found.made["vectors"]
    assert made.scores["exact"] > 0.8 and found.sources == {"": 80} and found.baselines == {"": {}}
    assert made.a_second > 0 and not made.by_length


def test_a_table_has_a_row_for_each_training_and_baseline():
    scores = {"exact": 0.5, "symbol_error": 0.25, "chrf": 45.67}
    better = {"exact": 0.7, "symbol_error": 0.15, "chrf": 65.43}
    found = PairedFound(
        sources={"up": 1234, "twice": 5},
        made={
            "both": [
                Made(scores, 10, 1.0, "it is done", 2345.6, [(1, 1, 1.0), (2, 4, 0.25)]),
                Made(better, 2000, 2.4, "done", 9.4),
            ],
            "one": [Made(scores, 3, 1.0, "it is done", 1.0)],
        },
        baselines={"up": {"copy": scores}, "twice": {}},
    )
    assert list(told_paired("letters", TASK, found)) == [
        "letters: letters; 1,234 in test of up, 5 in test of twice (pack 1, CC0)",
        f"  {'':<44}         exact          chrF       texts/s",
        f"  {'both, seed 1':<44}        0.5000          45.7         2,346   10 windows in 1 s: it is done",
        f"  {'both, seed 2':<44}        0.7000          65.4             9   2,000 windows in 2 s: done",
        f"  {'both, mean of 2':<44}        0.6000          55.6",
        f"  {'one':<44}        0.5000          45.7             1   3 windows in 1 s: it is done",
        f"  {'copy, up':<44}        0.5000          45.7",
        "  exact by length of the source, both: 1 1.000, 2-4 0.250",
    ]


def test_the_tasks_are_as_they_are_told_of():
    assert list(PAIRED) == ["pronunciation", "translation", "strings", "digits"]
    told_of = (Path(paired_sets.__file__).parents[1] / "tasks").read_text()
    for name, task in PAIRED.items():
        assert f"  {name} " in told_of and task.package.replace("==", " ") in told_of
    trained = {way.of for way in PAIRED["strings"].trainings.values()}
    assert trained == {"copy 10", "reverse 10", "copy 20", "reverse 20", "copy 40", "reverse 40"}


def test_files_come_from_where_the_task_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(__main__, "data_file", lambda package, member: Path(package) / member)
    assert __main__._fetched(TASK) == [Path("pack==1/data")]
    own = PairedTask("t", "p", "CC0", write_letters, {}, {}, fetch=lambda: [tmp_path])
    assert __main__._fetched(own) == [tmp_path]
