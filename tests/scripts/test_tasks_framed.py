"""Lines and speech in `scripts/tasks`: a whole task on small data, and the table."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from tasks_lib import __main__, framed, framed_sets
from tasks_lib.framed import FramesFound, FramesTask, Reading, measure_framed
from tasks_lib.framed_sets import FRAMED
from tasks_lib.framed_table import told_framed
from tasks_lib.labelled_sets import LABELLED
from tasks_lib.paired_sets import PAIRED
from tasks_lib.series import TASKS

_SMALL = {"windows": 120, "validate_every": 60, "hidden": 12, "dropout": 0.0, "lanes": 4, "lr": 0.03}


def write_letters(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Letters, each of which is two frames with noise; "twice" are texts of a letter and the same again."""
    assert [source.name for source in sources] == ["data"]
    rng, noise, found = random.Random(1), np.random.default_rng(1), {}
    for name, splits in (("", ("train", "valid", "test")), ("twice", ("test",))):
        found[name] = {split: folder / f"{name}{split}.jsonl" for split in splits}
        for split, path in found[name].items():
            lines = []
            for number in range(200 if split == "train" else 40):
                text = "".join(rng.choices("abc", k=rng.randint(1, 3))) if not name else 2 * rng.choice("abc")
                frames = np.concatenate([[np.eye(3)["abc".index(letter)]] * 2 + [np.zeros(3)] for letter in text])
                frames += noise.normal(0, 0.3, frames.shape)
                np.save(folder / f"{name}{split}{number}.npy", frames.astype(np.float32))
                lines.append(json.dumps({"frames": f"{name}{split}{number}.npy", "text": text}) + "\n")
            path.write_text("".join(lines))
    found["text"] = {"train": folder / "text.txt"}
    found["text"]["train"].write_text("aa\nbb\ncc\n" * 100)
    return found


TASK = FramesTask(
    title="letters",
    package="pack==1",
    members=["data"],
    licence="CC0",
    write=write_letters,
    prepare={},
    trainings={"both": {**_SMALL, "both_directions": True}, "one": _SMALL},
    baselines={"a guess": lambda _: {"cer": 0.9, "exact": 0.1}},
    grammar="twice",
)


def test_a_task_is_measured_with_and_without_a_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(framed, "_LANGUAGE", {"windows": 300, "hidden": 12, "lr": 0.02, "lanes": 4, "bptt": 16})
    found = measure_framed(TASK, [tmp_path / "data"], tmp_path, 1.0, 2)
    assert {name: len(made) for name, made in found.made.items()} == {"both": 2, "one": 1}
    for made in found.made.values():
        for each in made:
            assert each.scores["cer"] < 0.2 and each.windows == 120 and 0 < each.share < 1
    assert (found.sequences, found.sentences) == (40, 40) and found.baselines["a guess"]["exact"] == 0.1
    greedy, beam, language = found.grammar.values()
    assert language["cer"] < 0.05 and abs(beam["cer"] - greedy["cer"]) < 0.1


def test_a_table_has_a_row_for_each_training_and_baseline():
    scores = {"cer": 0.05, "wer": 0.25, "exact": 0.75}
    found = FramesFound(
        sequences=1234,
        made={
            "both": [Reading(scores, 10, 1.0, "it is done", 0.125), Reading(scores, 2000, 2.4, "done", 0.2)],
            "one": [Reading(scores, 3, 1.0, "it is done", 0.5)],
        },
        baselines={"a guess": {"cer": 0.9, "exact": 0.1}},
        sentences=77,
        grammar={"a beam": scores},
    )
    assert list(told_framed("letters", TASK, found)) == [
        "letters: letters; 1,234 in test (pack 1, CC0)",
        f"  {'':<44}       CER       WER     exact  loss takes",
        f"  {'both, seed 1':<44}    0.0500    0.2500    0.7500       12.5%   10 windows in 1 s: it is done",
        f"  {'both, seed 2':<44}    0.0500    0.2500    0.7500       20.0%   2,000 windows in 2 s: done",
        f"  {'both, mean of 2':<44}    0.0500    0.2500    0.7500",
        f"  {'one':<44}    0.0500    0.2500    0.7500       50.0%   3 windows in 1 s: it is done",
        f"  {'a guess':<44}    0.9000              0.1000",
        "  77 in test whose texts follow rules, read by the first training:",
        f"  {'a beam':<44}    0.0500    0.2500    0.7500",
    ]


def test_the_tasks_are_as_they_are_told_of():
    assert list(FRAMED) == ["lines", "spoken", "voices"]
    told_of = (Path(framed_sets.__file__).parents[1] / "tasks").read_text()
    for name, task in FRAMED.items():
        assert f"  {name} " in told_of and task.package.replace("==", " ") in told_of


def test_what_is_fetched_lies_where_no_task_works():
    folders = [inspect.signature(task.fetch).parameters["folder"].default for task in FRAMED.values() if task.fetch]
    assert len(folders) == 2 and not {folder.name for folder in folders} & {*TASKS, *LABELLED, *PAIRED, *FRAMED}


def test_files_come_from_where_the_task_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(__main__, "data_file", lambda package, member: Path(package) / member)
    assert __main__._fetched(TASK) == [Path("pack==1/data")]
    assert __main__._fetched(FramesTask("t", "p", "CC0", write_letters, {}, fetch=lambda: [tmp_path])) == [tmp_path]
