"""Real training, small: the subject of kills, signals, faults, full disks and lost power."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from faults.cases import Context, Outcome, Scenario
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
from gpurnn.network import ModelConfig
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import read_log
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.trainer import Trainer

VALIDATE_EVERY = 35
LONG = 300  # windows of the reference; a run is begun anew at a fifth of it
WORDS = ["window", "lane", "carry", "error", "gate", "hidden", "state", "token", "loss"]


def write_corpus(folder: Path, characters: int = 1500, **options: Any) -> Path:
    """A corpus of documents of different lengths, always the same."""
    generator = random.Random(7)
    documents: list[str] = []
    while sum(map(len, documents)) < characters:
        documents.append(" ".join(generator.choices(WORDS, k=generator.randint(3, 40))))
    (folder / "text.txt").write_text("%".join(documents))
    split = (0.8, 0.1, 0.1)
    prepare([folder / "text.txt"], folder / "corpus.h5", split=split, document_separator="%", force=True, **options)
    return folder / "corpus.h5"


def settings(corpus: Corpus, cell: str = "lstm", **changes: Any) -> TrainConfig:
    """Two layers, dropout, a schedule in steps, lines and validations that do not fall together."""
    config = TrainConfig(
        ModelConfig(len(corpus.vocabulary), cell=cell, hidden=6, layers=2, dropout=0.2),
        OptimizerConfig("adam", clip=1.0, average=0.2),
        ScheduleConfig("step", lr=0.01, decay_every=37, decay_factor=0.9),
        lanes=3,
        bptt=5,
        log_every=10,
        validate_every=VALIDATE_EVERY,
        validate_windows=3,
        divergence_nats=0.0,
    )
    return replace(config, **changes)


def digest(tensors: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    """Of everything in a checkpoint that the clock does not decide."""
    found = hashlib.sha256(json.dumps({k: v for k, v in header["progress"].items() if k != "seconds"}).encode())
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {tensors[name].shape} ".encode() + tensors[name].tobytes())
    return found.hexdigest()


def without_clock(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in entry.items() if name not in ("seconds", "tokens_per_second", "steps_per_second")
    }


def after_each_save(trainer: Trainer, then: Callable[[int, Any, Any], None]) -> Trainer:
    """Call then(window, tensors, header) whenever a checkpoint is complete."""
    save = trainer.run_directory.save

    def saving(window: int, tensors: Any, header: Any, **options: Any) -> Path:
        path = save(window, tensors, header, **options)
        then(window, tensors, header)
        return path

    trainer.run_directory.save = saving  # type: ignore[method-assign]
    return trainer


def refuse(line: str) -> None:
    raise AssertionError(f"unexpected warning: {line}")


@dataclass(frozen=True)
class Subject:
    """Runs that are killed. write: a corpus into a folder; settings: of its runs. Everything is the same each time."""

    write: Callable[[Path], Path]
    settings: Callable[[Corpus], TrainConfig]

    @cached_property
    def reference(self) -> tuple[dict[int, str], list[dict[str, Any]]]:
        """The digest of the checkpoint after each window, and the log, of a run that nothing disturbed."""
        from faults.shim import scratch_folder

        digests: dict[int, str] = {}
        with scratch_folder() as name:
            folder = Path(name)
            with Corpus.open(self.write(folder)) as corpus:
                trainer = new_run(backend.get("cpu"), corpus, self.settings(corpus), folder / "run", refuse)
                after_each_save(trainer, lambda window, *packed: digests.update({window: digest(*packed)}))
                trainer.run(Limits(windows=LONG), checkpoint_minutes=0)
            return digests, [without_clock(entry) for entry in read_log(folder / "run" / "log.jsonl")]

    def prepare(self, folder: Path) -> None:
        """A run with checkpoints after windows 1 and 2, and a copy of it to begin anew from."""
        with Corpus.open(self.write(folder)) as corpus:
            trainer = new_run(backend.get("cpu"), corpus, self.settings(corpus), folder / "run", refuse)
            trainer.run(Limits(windows=2), checkpoint_minutes=0)
        shutil.copytree(folder / "run", folder / "anew")
        _ = self.reference

    def check(self, run: Path, least: int, most: int) -> int:
        """The window of the last checkpoint; raises AssertionError unless the run is what the reference was there."""
        digests, log = self.reference
        warnings: list[str] = []
        checkpoint = RunDirectory(run, warnings.append).load("last")
        window: int = checkpoint.header["progress"]["windows"]
        assert not warnings, f"a damaged checkpoint was in place: {warnings}"
        assert least <= window <= most, f"expected a checkpoint of window {least} to {most}, found {window}"
        assert digest(checkpoint.tensors, checkpoint.header) == digests[window], f"window {window} has other bits"
        found = [without_clock(entry) for entry in read_log(run / "log.jsonl") if entry["window"] <= window]
        assert found == [entry for entry in log if entry["window"] <= window], f"the log differs before window {window}"
        return window

    def going(self) -> Scenario:
        """Training that goes on to the end of the reference, wherever it is cut."""
        return Scenario(self.prepare, lambda folder, context: _resume(folder, context, LONG), self._check_going)

    def _check_going(self, folder: Path, outcome: Outcome) -> None:
        completed = int(outcome.marks[-1]) if outcome.marks else 2
        begin_anew_after(folder, self.check(folder / "run", completed, LONG))


def _resume(folder: Path, context: Context, windows: int) -> None:
    trainer = resumed_run(backend.get("cpu"), folder / "run", context.warn)
    after_each_save(trainer, lambda window, *packed: context.mark(str(window)))
    trainer.run(Limits(windows=windows), checkpoint_minutes=0)


def begin_anew_after(folder: Path, window: int) -> None:
    """Put the run of the beginning in place before it leaves the reference behind."""
    if window > LONG // 5:
        shutil.rmtree(folder / "run")
        shutil.copytree(folder / "anew", folder / "run")


def _check_short(folder: Path, outcome: Outcome) -> None:
    window = check_run(folder / "run", int(outcome.marks[-1]) if outcome.marks else 2, 5)
    with Corpus.open(folder / "corpus.h5") as corpus:
        trainer = resumed_run(backend.get("cpu"), folder / "run", refuse, corpus)
        trainer.run(Limits(windows=window + 1))
    check_run(folder / "run", window + 1, window + 1)
    left = list(folder.rglob("*.tmp"))
    assert not left, f"left behind: {left}"


TEXT = Subject(write_corpus, settings)
prepare_run, check_run = TEXT.prepare, TEXT.check
GOING = TEXT.going()
SHORT = Scenario(prepare_run, lambda folder, context: _resume(folder, context, 5), _check_short)


def _work_history(folder: Path, context: Context) -> None:
    """The first windows of a run, its making among them."""
    with Corpus.open(folder / "corpus.h5") as corpus:
        trainer = new_run(backend.get("cpu"), corpus, settings(corpus), folder / "run", context.warn)
        after_each_save(trainer, lambda window, *packed: context.mark(str(window)))
        trainer.run(Limits(windows=12), checkpoint_minutes=0)


def _prepare_history(folder: Path) -> None:
    write_corpus(folder)
    _ = TEXT.reference


def _check_history(folder: Path, outcome: Outcome) -> None:
    completed = int(outcome.marks[-1]) if outcome.marks else 0
    if completed or list((folder / "run").glob("checkpoints/*.safetensors")):
        check_run(folder / "run", completed or 1, completed + 1)


HISTORY = Scenario(_prepare_history, _work_history, _check_history)


def _prepare_large(folder: Path) -> None:
    """A run whose checkpoint, 150 kB, is larger than what the disk will have left."""
    with Corpus.open(write_corpus(folder)) as corpus:
        config = settings(corpus, model=ModelConfig(len(corpus.vocabulary), hidden=40, dropout=0.2))
        new_run(backend.get("cpu"), corpus, config, folder / "run", refuse).run(Limits(windows=2))


def _work_large(folder: Path, context: Context) -> None:
    trainer = resumed_run(backend.get("cpu"), folder / "run", context.warn)
    trainer.run(Limits(windows=6), checkpoint_minutes=0)


def _check_large(folder: Path, outcome: Outcome) -> None:
    run = RunDirectory(folder / "run", refuse)
    assert run.load("last").header["progress"]["windows"] == 2
    assert len([line for line in outcome.warnings if "training goes on" in line]) >= 3, outcome.warnings


LARGE = Scenario(_prepare_large, _work_large, _check_large)
