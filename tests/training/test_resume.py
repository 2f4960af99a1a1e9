"""A run that was stopped and resumed has the bits of one that was not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend, instructions
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CheckpointError, RunError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.runs.checkpoint import read_checkpoint, write_checkpoint
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run

from .alike import assert_same_run, log_without_clock, refuse_warnings, tensors


def settings(corpus: Corpus, cell: str = "lstm", **changes: object) -> TrainConfig:
    model = ModelConfig(len(corpus.vocabulary), cell=cell, hidden=12, layers=2, dropout=0.2)
    config = TrainConfig(
        model,
        OptimizerConfig("adam", clip=1.0, average=0.2),
        ScheduleConfig("cosine", lr=0.01, warmup=20, decay_windows=150),
        lanes=6,
        bptt=9,
        restart=0.1,
        log_every=7,
        validate_every=30,
        validate_windows=5,
        divergence_nats=0.0,  # the rates are wild
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def train(be: Backend, corpus: Corpus, config: TrainConfig, path: Path, windows: int) -> None:
    new_run(be, corpus, config, path, refuse_warnings).run(Limits(windows=windows))


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_run_is_its_halves(be: Backend, corpus: Corpus, tmp_path: Path, cell: str):
    half = 100 if be.device == "cpu" else 40  # an emulated device takes its time
    config = settings(corpus, cell)
    train(be, corpus, config, tmp_path / "whole", 2 * half)
    train(be, corpus, config, tmp_path / "parts", half)
    resumed_run(be, tmp_path / "parts", refuse_warnings).run(Limits(windows=2 * half))
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 2 * half)
    entries = log_without_clock(tmp_path / "whole")
    assert entries[-1]["nats_per_token"] < 0.9 * entries[0]["nats_per_token"]  # it learnt something, so bits moved


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_goes_on_under_another_instruction_set(corpus: Corpus, tmp_path: Path, dtype: str):
    first, *others = [CpuBackend(instructions=each.name) for each in instructions() if each.fuses] or [None]
    if not others:
        pytest.skip("needs two instruction sets that give the same bits, such as those of a processor with AVX-512")
    config = settings(corpus)
    config = replace(config, model=replace(config.model, dtype=dtype))
    train(first, corpus, config, tmp_path / "whole", 60)
    for number, other in enumerate(others):
        train(other, corpus, config, tmp_path / f"{number}", 30)
        resumed_run(first, tmp_path / f"{number}", refuse_warnings).run(Limits(windows=45))
        resumed_run(other, tmp_path / f"{number}", refuse_warnings).run(Limits(windows=60))
        assert_same_run(tmp_path / "whole", tmp_path / f"{number}", 60)


def test_a_set_that_rounds_otherwise_refuses_an_exact_resume(corpus: Corpus, tmp_path: Path):
    fusing = [CpuBackend(instructions=each.name) for each in instructions() if each.fuses]
    others = [CpuBackend(instructions=each.name) for each in instructions() if not each.fuses]
    if not fusing or not others:
        pytest.skip("needs an instruction set that fuses multiplications and additions, and one that does not")
    train(fusing[0], corpus, settings(corpus), tmp_path / "run", 4)
    with pytest.raises(RunError, match="rounding: was None, is products before sums"):
        resumed_run(others[0], tmp_path / "run", refuse_warnings)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("sgd", "constant"), ("rmsprop", "step"), ("adamw", "plateau")]
)  # neither knows of the other
def test_every_optimizer_and_schedule_resumes(
    be: Backend, corpus: Corpus, tmp_path: Path, optimizer: str, schedule: str
):
    config = settings(
        corpus,
        "gru",
        optimizer=OptimizerConfig(optimizer, momentum=0.9, weight_decay=0.01),
        schedule=ScheduleConfig(schedule, lr=0.02, decay_every=10, decay_patience=1, decay_factor=0.7),
        validate_every=5,
    )
    train(be, corpus, config, tmp_path / "whole", 40)
    train(be, corpus, config, tmp_path / "parts", 17)
    resumed_run(be, tmp_path / "parts", refuse_warnings).run(Limits(windows=40))
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 40)


def test_saving_after_every_window_changes_nothing(be: Backend, corpus: Corpus, tmp_path: Path):
    config = settings(corpus)
    train(be, corpus, config, tmp_path / "seldom", 40)
    often = new_run(be, corpus, config, tmp_path / "often", refuse_warnings)
    often.run(Limits(windows=40), checkpoint_minutes=0)
    assert_same_run(tmp_path / "seldom", tmp_path / "often", 40)


def test_validating_changes_no_parameter(be: Backend, corpus: Corpus, tmp_path: Path):
    train(be, corpus, settings(corpus, validate_every=1), tmp_path / "often", 25)
    train(be, corpus, settings(corpus, validate_every=0), tmp_path / "never", 25)
    often, never = tensors(tmp_path / "often", 25), tensors(tmp_path / "never", 25)
    for name, array in often.items():
        if not name.startswith("optimizer."):  # whose sums begin anew at each log line, and validations are log lines
            assert array.tobytes() == never[name].tobytes(), name


def test_a_resumed_run_may_change_only_limits_and_cadences(be: Backend, corpus: Corpus, tmp_path: Path):
    run = tmp_path / "run"
    train(be, corpus, settings(corpus), run, 10)
    trainer = resumed_run(be, run, refuse_warnings, log_every=3, validate_every=0)
    assert (trainer.learner.config.log_every, trainer.learner.config.validate_every) == (3, 0)
    trainer.run(Limits(windows=20))
    logged = [entry["window"] for entry in log_without_clock(run)]
    assert logged == [7, 12, 15, 18]


def test_a_cadence_of_no_windows_is_refused(be: Backend, corpus: Corpus, tmp_path: Path):
    train(be, corpus, settings(corpus), tmp_path / "run", 3)
    with pytest.raises(UsageError, match="log_every: expected at least 1, found 0"):
        resumed_run(be, tmp_path / "run", refuse_warnings, log_every=0)


def test_damaged_lines_of_the_log_are_told_of(be: Backend, corpus: Corpus, tmp_path: Path):
    run, warnings = tmp_path / "run", []
    train(be, corpus, settings(corpus), run, 30)
    lines = (run / "log.jsonl").read_bytes().splitlines(keepends=True)
    (run / "log.jsonl").write_bytes(b"".join([lines[0], b"?\n", *lines[2:]]))
    resumed_run(be, run, warnings.append).run(Limits(windows=31))
    assert warnings == [f"{run}/log.jsonl: damaged lines were dropped: 1"]
    assert (run / "log.jsonl").read_bytes() == b"".join([lines[0], *lines[2:]])


def test_other_versions_refuse_an_exact_resume(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, warnings = tmp_path / "run", []
    train(be, corpus, settings(corpus), run, 4)
    monkeypatch.setattr("gpurnn.training.snapshot.gpurnn.__version__", "0.0.1")
    with pytest.raises(RunError, match=r"gpurnn: was .*, is 0\.0\.1.*`allow_inexact`"):
        resumed_run(be, run, refuse_warnings)
    trainer = resumed_run(be, run, warnings.append, allow_inexact=True)
    assert trainer.learner.progress.windows == 4
    assert len(warnings) == 1 and "0.0.1" in warnings[0]


def test_a_run_of_another_precision_resumes_exactly_in_that_one_only(corpus: Corpus, tmp_path: Path):
    def get(precision: str) -> CpuBackend:
        return CpuBackend(precision=precision, compiled=False)

    bf16, run = get("bf16"), tmp_path / "parts"
    train(bf16, corpus, settings(corpus), tmp_path / "whole", 20)
    train(bf16, corpus, settings(corpus), run, 9)
    for other in (get("float32"), lambda own: get("tf32")):  # which is float32 here
        with pytest.raises(RunError, match=r": precision: was bf16, is float32; go on"):
            resumed_run(other, run, refuse_warnings)
    trainer = resumed_run(get, run, refuse_warnings)
    assert trainer.learner.model.be.precision == "bf16"
    trainer.run(Limits(windows=20))
    assert_same_run(tmp_path / "whole", run, 20)
    train(get("float32"), corpus, settings(corpus), tmp_path / "plain", 20)
    plain, found = tensors(tmp_path / "plain", 20), tensors(run, 20)
    assert not np.array_equal(plain["layers.0.W"], found["layers.0.W"])
    names = [
        json.loads((tmp_path / name / "config.json").read_text())["versions"].keys() for name in ("plain", "whole")
    ]
    assert names[1] - names[0] == {"precision"}


def test_a_gpu_run_resumes_with_tf32_where_it_had_it(cuda: Backend, corpus: Corpus, tmp_path: Path):
    from gpurnn import backend

    for precision in ("tf32", "float32"):
        train(backend.get("cuda", precision=precision), corpus, settings(corpus), tmp_path / precision, 2)
        trainer = resumed_run(lambda own: backend.get("cuda", precision=own), tmp_path / precision, refuse_warnings)
        assert trainer.learner.model.be.precision == precision
    with pytest.raises(RunError, match=r": tf32: was off, is on; go on"):
        resumed_run(backend.get("cuda", tf32=True), tmp_path / "float32", refuse_warnings)


def test_a_corpus_may_move_but_not_change(be: Backend, corpus: Corpus, tmp_path: Path, small_corpus: Path):
    moved, run = tmp_path / "moved.h5", tmp_path / "run"
    moved.write_bytes(small_corpus.read_bytes())
    with Corpus.open(moved) as there:
        train(be, there, settings(there), run, 4)
    moved.rename(tmp_path / "again.h5")
    with pytest.raises(RunError, match="no longer there"):
        resumed_run(be, run, refuse_warnings)
    with Corpus.open(tmp_path / "again.h5") as there:
        assert resumed_run(be, run, refuse_warnings, there).learner.progress.windows == 4

    from gpurnn.data.prepare import prepare

    text = tmp_path / "other.txt"
    text.write_text("window lane carry " * 300)
    prepare([text], tmp_path / "other.h5")
    with Corpus.open(tmp_path / "other.h5") as other, pytest.raises(RunError, match="not the corpus"):
        resumed_run(be, run, refuse_warnings, other)


def test_init_from_begins_with_the_parameters_of_another_run(be: Backend, corpus: Corpus, tmp_path: Path):
    config = settings(corpus, validate_every=0)
    train(be, corpus, config, tmp_path / "first", 10)
    begun = new_run(be, corpus, config, tmp_path / "second", refuse_warnings, init_from=tmp_path / "first")
    second = begun.learner
    last = tensors(tmp_path / "first", 10)
    for name, value in second.model.params.value.items():
        assert be.to_host(value).tobytes() == last[f"average.{name}"].tobytes() != last[name].tobytes(), name
    assert be.to_host(second.optimizer.average).tobytes() == be.to_host(second.model.params.values).tobytes()
    assert second.progress.windows == 0


@pytest.mark.parametrize(("name", "value"), [("start", "learned"), ("stack", ("recurrent",)), ("head", "squared")])
def test_init_from_another_network_is_refused(be: Backend, corpus: Corpus, tmp_path: Path, name: str, value: Any):
    """Whatever parameters it has: some would be left out, or mean something else."""
    config = settings(corpus, validate_every=0)
    train(be, corpus, config, tmp_path / "first", 1)
    other = replace(config, model=replace(config.model, **{name: value}))
    with pytest.raises(CheckpointError, match=f"its model has {name} .*; a run that begins with it needs"):
        new_run(be, corpus, other, tmp_path / "second", refuse_warnings, init_from=tmp_path / "first")
    assert not (tmp_path / "second").exists()


def test_a_used_run_directory_is_refused(be: Backend, corpus: Corpus, tmp_path: Path):
    train(be, corpus, settings(corpus), tmp_path / "run", 2)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(RunError, match="already holds a run"):
        new_run(be, corpus, settings(corpus), tmp_path / "run", refuse_warnings)
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_contradictory_settings_are_refused(corpus: Corpus):
    with pytest.raises(UsageError, match="cosine"):
        ScheduleConfig("cosine", decay_windows=0)
    with pytest.raises(UsageError, match="lanes"):
        settings(corpus, lanes=0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"windows": -1}, "windows: expected a count, found -1"),
        ({"best": "low"}, "best: expected a number, found 'low'"),
        ({"cursor": {"window": 3}}, "cursor: expected the fields"),
        ({"divergence": None}, "divergence: expected the fields"),
        ({"more": 1}, "its fields are not those of a checkpoint"),
    ],
)
def test_other_progress_is_refused(be: Backend, corpus: Corpus, tmp_path: Path, change: dict, reason: str):
    train(be, corpus, settings(corpus), tmp_path / "run", 3)
    (path,) = (tmp_path / "run" / "checkpoints").iterdir()
    checkpoint = read_checkpoint(path)
    header = checkpoint.header | {"progress": checkpoint.header["progress"] | change}
    write_checkpoint(path, checkpoint.tensors, header)
    with pytest.raises(CheckpointError, match=reason):
        resumed_run(be, tmp_path / "run", refuse_warnings)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": {"hidden": 10**6}}, r"layers\.0\.U: expected \(\d+, 4000000\), found \(\d+, 48\)"),
        ({"model": {"layers": 10**9}}, "layers: expected at most 512, found 1000000000"),
        ({"lanes": 10**8}, r"state\.0\.h: expected \(100000000, 12\), found \(6, 12\)"),
        ({"model": {"hidden": 0}}, r"config: hidden: expected at least 1, found 0"),
    ],
)
def test_no_memory_is_taken_for_what_a_checkpoint_does_not_hold(
    be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict, reason: str
):
    def refuse_to_make(*arguments: object) -> None:
        raise AssertionError("a learner was made")

    train(be, corpus, settings(corpus), tmp_path / "run", 3)
    (path,) = (tmp_path / "run" / "checkpoints").iterdir()
    checkpoint = read_checkpoint(path)
    config = checkpoint.header["config"]
    config |= change | {"model": config["model"] | change.get("model", {})}
    write_checkpoint(path, checkpoint.tensors, checkpoint.header)
    monkeypatch.setattr("gpurnn.training.session.Learner", refuse_to_make)
    with pytest.raises((CheckpointError, RunError), match=reason) as caught:
        resumed_run(be, tmp_path / "run", refuse_warnings)
    assert str(path) in str(caught.value)


def leave_out_what_was_added(config: dict) -> None:
    del config["optimizer"]["average"], config["restart"], config["judged_lanes"]


def test_runs_of_the_first_format_go_on(be: Backend, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They knew no averages of parameters, no restarts, and all lanes of a validation counted."""
    config = settings(corpus, optimizer=OptimizerConfig("adam", average=0.0), restart=0.0, counted_lanes="all")
    train(be, corpus, config, tmp_path / "whole", 20)
    train(be, corpus, config, tmp_path / "parts", 10)
    (path,) = (tmp_path / "parts" / "checkpoints").iterdir()
    checkpoint = read_checkpoint(path)
    leave_out_what_was_added(checkpoint.header["config"])
    monkeypatch.setattr("gpurnn.runs.checkpoint.VERSION", 1)
    write_checkpoint(path, checkpoint.tensors, checkpoint.header)
    monkeypatch.undo()
    written = json.loads((tmp_path / "parts" / "config.json").read_text())
    leave_out_what_was_added(written["training"])
    (tmp_path / "parts" / "config.json").write_text(json.dumps(written))
    assert read_checkpoint(path).version == 1
    resumed_run(be, tmp_path / "parts", refuse_warnings).run(Limits(windows=20))
    assert_same_run(tmp_path / "whole", tmp_path / "parts", 20)


def test_changed_cadences_stay(be: Backend, corpus: Corpus, tmp_path: Path):
    run = tmp_path / "run"
    train(be, corpus, settings(corpus, validate_every=0), run, 3)
    resumed_run(be, run, refuse_warnings, log_every=4).run(Limits(windows=9))
    resumed_run(be, run, refuse_warnings).run(Limits(windows=13))
    assert [entry["window"] for entry in log_without_clock(run)] == [4, 8, 12]
