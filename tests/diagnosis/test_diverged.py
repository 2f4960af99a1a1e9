"""What is told of models that are none any more: nothing but what was measured, and no number that is none."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trained import make_corpus, make_run

from gpurnn import backend
from gpurnn.backend import Array
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.doctor import PANELS, look_at
from gpurnn.diagnosis.reach import Reach, fall
from gpurnn.diagnosis.report import Report
from gpurnn.diagnosis.reportpage import page_of
from gpurnn.diagnosis.subject import opened
from gpurnn.network import ModelConfig
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.session import new_run
from tests.sequences import LABELS, SYMBOLS, told

Change = Callable[[str, Array], None]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a few windows: of text, and of tags in whole sequences."""
    folder, be = tmp_path_factory.mktemp("diverged"), backend.get("cpu")
    corpus = make_corpus(folder / "text.h5", ["One fish, two fish. Red\nfish, 4 blue. " * 80], split=(0.5, 0.5, 0))
    make_run(be, corpus, folder / "text", cell="simple-relu", dtype="float32")
    make_run(be, corpus, folder / "gated", cell="lstm", dtype="float32")
    tags = told(folder / "tags.h5", "tags", "symbols", [9, 4, 12] * 8).corpus
    model = ModelConfig(SYMBOLS, "gru", 5, outputs=len(LABELS), dropout=0.0)
    config = TrainConfig(model, lanes=2, bptt=16, layout="whole", log_every=1)
    new_run(be, tags, config, folder / "tags", lambda text: None).run(Limits(windows=3))
    return folder


def scaled(ending: str, factor: float) -> Change:
    def change(name: str, array: Array) -> None:
        if name.endswith(ending):
            array *= factor

    return change


def set_to(ending: str, value: float) -> Change:
    def change(name: str, array: Array) -> None:
        if name.endswith(ending):
            array[...] = value

    return change


def looked_at(run: Path, change: Change) -> Report:
    with opened(run, backend.get("cpu")) as subject:
        for model in {id(each): each for each in subject.models.values()}.values():
            for name, array in model.params.value.items():
                change(name, array)
        return look_at(subject, seconds=30)


@pytest.mark.parametrize("run", ["text", "gated", "tags"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(scaled(".W", 1e3), id="W large"),
        pytest.param(scaled(".V", 1e30), id="V beyond sense"),
        pytest.param(set_to(".V", 0), id="V 0"),
        pytest.param(set_to("", 0), id="all 0"),
        pytest.param(set_to(".W", np.nan), id="W nan"),
        pytest.param(set_to(".V", np.inf), id="V inf"),
    ],
)
def test_every_sentence_is_one_and_every_number_is_json(runs: Path, run: str, change: Change):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # they would stand between the lines
        report = looked_at(runs / run, change)
    assert list(report.panels) == list(PANELS)
    for name, panel in report.panels.items():
        assert not re.search(r"\b(nan|inf|None)\b|\d{12}", panel.sentence), (name, panel.sentence)
    json.dumps(report.to_json(), allow_nan=False)
    assert page_of(report)


def test_a_model_that_has_diverged_is_told_to_have(runs: Path):
    report = looked_at(runs / "gated", set_to(".W", np.nan))
    recovery, text = report.panels["recovery"], report.panels["text"]
    assert recovery.level == "warning" and "the model has diverged; try another checkpoint" in recovery.sentence
    assert text.level == "none" and text.sentence.endswith("every lane that was looked at is stuck")
    tags = looked_at(runs / "tags", set_to(".W", np.nan)).panels["reach"]
    assert tags.level == "warning" and "is not finite" in tags.sentence


def test_no_error_at_all_is_no_comfort(runs: Path):
    """Neither how far it goes nor which windows are long enough is known of a gradient that is 0."""
    panels = looked_at(runs / "gated", set_to(".V", 0)).panels
    assert panels["reach"].level == panels["window"].level == "note"
    assert "is 0, or not finite" in panels["window"].sentence


def reach_of(norms: np.ndarray) -> Reach:
    return Reach({"layers.0.dh": fall(norms)}, {}, {}, np.nan, norms.shape[1], 0)


def test_errors_that_overflow_explode():
    """Each is 1e9 times the one before: from lag 34 on that is no number any more."""
    with np.errstate(over="ignore"):
        norms = np.full((64, 8), 1e9) ** np.arange(64)[:, None]
    assert not np.isfinite(norms).all()
    found = findings.of_reach(reach_of(norms), 0.0, 3.0)
    assert found.level == "warning" and "it explodes" in found.sentence


@pytest.mark.parametrize(
    ("clipped", "said"), [(0.0, "clipping did not act;"), (0.25, "acted in 25% of updates"), (None, "is clipping;")]
)
def test_clipping_is_only_told_to_help_where_it_acts(clipped: float | None, said: str):
    norms = np.full((64, 8), 1.1) ** np.arange(64)[:, None]
    found = findings.of_reach(reach_of(norms), clipped, 3.0)
    assert found.level == "warning" and "errors grow by 1.100 a step back" in found.sentence and said in found.sentence


def test_windows_without_a_finite_loss(runs: Path, tmp_path: Path):
    """None of them has changed anything, nor will the next ones."""
    run = shutil.copytree(runs / "text", tmp_path / "run")
    lines = [{"window": n, "lr": 1e3, "skipped_windows": n} for n in (1, 12)]
    (run / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    told_of = looked_at(run, set_to("never", 0)).panels["run"].sentence
    assert told_of.startswith("after 12 windows no loss that is finite; 12 windows were skipped: the rate is too high")
    assert "ran away" not in told_of
