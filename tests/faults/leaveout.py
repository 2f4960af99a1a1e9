"""Every key of a checkpoint matters: a loader that ignores one of them cannot pass.

A loader ignores a key where it goes on with what a new run has there (a tensor as it was initialised, a count of 0) or,
for keys that only say what must not have changed, where it goes on although they are others than they were. Ignoring is
noticed where the resume is refused, or where what follows differs: tensors, progress, log, or what is sampled.
"""

import copy
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from faults.training import digest, settings, without_clock
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
from gpurnn.exceptions import GpurnnError
from gpurnn.generation.generate import generate
from gpurnn.generation.prompt import encode_prompt
from gpurnn.network import ModelConfig
from gpurnn.runs.checkpoint import VERSION, Checkpoint, parse_checkpoint, read_checkpoint, write_checkpoint
from gpurnn.runs.log import read_log
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.learner import Learner
from gpurnn.training.meaning import load_language
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.session import new_run, resumed_run
from gpurnn.training.snapshot import Progress, load_model
from gpurnn.training.trainer import Trainer

CUT, END = 61, 100
SECONDS = 1000.0  # that the run has lasted when it is cut
PROMPTS = (b"The CAF\xe9 window \x81 lane", "cafe\u0301 gate", "gate\r", *[""] * 6)
POLICY = {"encoding": "cp1252", "errors": "replace", "newline": "keep", "normalise": "NFC", "lower": True}
OTHER = {"lstm": "gru", "float64": "float32", "adamw": "adam", "plateau": "constant", "count": "rollback"} | {
    "uniform": "normal",
    "orthogonal": "uniform",
    "words": "chars",
}
"""Another word for each that a checkpoint here has."""

Change = Callable[[Checkpoint], Checkpoint]


def keys(checkpoint: Checkpoint) -> list[tuple[str, ...]]:
    """The path of each key: tensors, and every leaf of the header."""
    return [("tensors", name) for name in sorted(checkpoint.tensors)] + list(_leaves(checkpoint.header, ()))


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, name))]


def _write_corpus(folder: Path) -> Path:
    """Words in lower case, with rare ones and documents that begin in different ways."""
    generator = random.Random(3)
    words = ["window", "lane", "carry", "error", "gate", "the", "café", "\n", "¤"]
    documents = []
    for number in range(12):
        text = [words[0 if number % 4 else 1], *generator.choices(words, k=generator.randint(10, 40)), f"rare{number}"]
        documents.append(" ".join(text))
    text_bytes = "%".join(documents).encode("cp1252").replace("¤".encode("cp1252"), b"\x81")  # no character of cp1252
    (folder / "text.txt").write_bytes(text_bytes)
    options = {"tokens": "words", "min_count": 2, "policy": POLICY, "split": (0.8, 0.1, 0.1)}
    prepare([folder / "text.txt"], folder / "corpus.h5", document_separator="%", **options)  # type: ignore[arg-type]
    return folder / "corpus.h5"


def _settings(corpus: Corpus) -> TrainConfig:
    """Settings of which none has the value that it has unless it is given."""
    model = ModelConfig(len(corpus.vocabulary), "lstm", 6, 2, 5, 0.2, "float64", recurrent_init="orthogonal")
    optimizer = OptimizerConfig("adamw", clip=1.0, clip_value=0.5, weight_decay=0.01, average=0.2)
    schedule = ScheduleConfig("plateau", lr=0.02, warmup=3, decay_factor=0.7, decay_patience=2)
    return settings(
        corpus, model=model, optimizer=optimizer, schedule=schedule, validate_every=12, patience=50, divergence_nats=0.5
    )


def _cut_run(folder: Path) -> Path:
    """A run with one checkpoint, in which every count is above 0; returns the checkpoint's path."""
    with Corpus.open(_write_corpus(folder)) as corpus:
        trainer = new_run(backend.get("cpu"), corpus, _settings(corpus), folder / "cut", str)
        assert CUT % trainer.learner.windows_per_epoch, "at an epoch's edge the carried state matters to nothing"
        trainer.run(Limits(windows=CUT))
    (path,) = (folder / "cut" / "checkpoints").glob("*.safetensors") if _only_newest(folder / "cut") else ()
    checkpoint = read_checkpoint(path)
    header = copy.deepcopy(checkpoint.header)
    header["progress"] |= {"best": 0.5, "best_window": 24, "stale": 1, "plateaus": 1, "seconds": SECONDS}
    header["progress"]["divergence"] = {"lowest": 0.5, "high": 1, "count": 1, "rollbacks": 1} | {
        "good": 30,
        "good_before": 10,
        "lines": 3,
    }
    write_checkpoint(path, checkpoint.tensors, header)
    return path


def _only_newest(run: Path) -> bool:
    *older, _ = sorted((run / "checkpoints").iterdir())
    for path in older:
        path.unlink()
    (run / "best.safetensors").unlink()
    return True


def _continued(folder: Path, change: Change) -> Any:
    """Everything that follows from the checkpoint as a changed loader reads it, but for the clock."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(folder / "cut", run)

    def reading(path: Path) -> Checkpoint:
        return change(read_checkpoint(path))

    with mock.patch("gpurnn.runs.directory.read_checkpoint", reading):
        trainer = resumed_run(backend.get("cpu"), run, str)
        with trainer.learner.corpus:
            samples = _samples(trainer)
            ended = trainer.run(Limits(windows=END), checkpoint_minutes=1e6)
    last = read_checkpoint(Path(ended.checkpoint))
    clock = last.header["progress"]["seconds"] >= SECONDS
    header = json.dumps([last.header[name] for name in ("config", "corpus", "versions")])
    log = [without_clock(entry) for entry in read_log(run / "log.jsonl")]
    return digest(last.tensors, last.header), header, clock, log, samples


def _samples(trainer: Trainer) -> list[str]:
    """What prompts are to the run's checkpoint, and text from it, as `gpurnn sample` reads it."""
    checkpoint = trainer.run_directory.load("last")
    model, language = load_model(trainer.learner.model.be, checkpoint), load_language(checkpoint)
    texts = []
    for seed, prompt in enumerate(PROMPTS):
        texts.append(str([each.tolist() for each in encode_prompt(language, prompt)]))
        texts.append("".join(map(str, generate(model, language, prompt, length=30, temperature=1.5, seed=seed))))
    return texts


def _ignoring(path: tuple[str, ...], fresh: dict[str, np.ndarray]) -> Change:
    """A loader that ignores one key."""

    def change(checkpoint: Checkpoint) -> Checkpoint:
        if path[0] == "tensors":
            return replace(checkpoint, tensors=checkpoint.tensors | {path[1]: fresh[path[1]]})
        header = copy.deepcopy(checkpoint.header)
        place: Any = header
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = _other(path, place[path[-1]])
        return replace(checkpoint, header=header)

    return change


def _other(path: tuple[str, ...], value: Any) -> Any:
    """What a loader that ignores the key has in place of the value."""
    if path[0] == "progress" and path[1] != "cursor":
        initial: Any = Progress().to_json()
        for name in path[1:]:
            initial = initial[name]
        return initial
    if path[:2] == ("corpus", "policy"):
        return {"encoding": "utf-8", "errors": "strict", "newline": "lf", "normalise": None, "lower": False}[path[2]]
    if path == ("corpus", "unknown"):
        return None
    if isinstance(value, str):
        return OTHER.get(value, value + "x" if value else "normal")
    return value + 1 if isinstance(value, int) else value * 1.5 + 0.125


def leave_out(scratch: str, every: int = 1, first: int = 0) -> dict[str, Any]:
    """Go on from one checkpoint with each key ignored in turn (or every so many-th one, from the `first`).

    Returns {"keys": in the file, "cases": tried, "violations": keys whose absence made no difference}.
    """
    folder = Path(scratch) / "leave-out"
    folder.mkdir()
    path = _cut_run(folder)
    with Corpus.open(folder / "corpus.h5") as corpus:
        fresh, _ = Learner(backend.get("cpu"), corpus, _settings(corpus), str).pack()
    fresh |= {name: np.zeros_like(fresh[name]) for name in ("vocabulary.data", "vocabulary.offsets", "starts.symbols")}
    fresh["starts.counts"] = np.ones_like(fresh["starts.counts"])
    expected = _continued(folder, lambda checkpoint: checkpoint)
    assert expected == _continued(folder, lambda checkpoint: checkpoint), "a resume does not repeat itself"
    found = keys(read_checkpoint(path))
    violations = []
    for each in found[first::every]:
        try:
            same = _continued(folder, _ignoring(each, fresh)) == expected
        except (GpurnnError, UnicodeError):
            same = False
        if same:
            violations.append(".".join(each))
    violations += [name for name in ("sha256", "version") if not _metadata_matters(path.read_bytes(), name)]
    return {"keys": len(found) + 2, "cases": len(found[first::every]) + 2, "violations": violations}


def _metadata_matters(data: bytes, name: str) -> bool:
    """Whether the file is refused with another digest or format version, the digest made to fit the version."""
    from faults.fuzz import BEFORE_DIGEST, Mutator

    if name == "sha256":
        changed = data[:BEFORE_DIGEST] + bytes([data[BEFORE_DIGEST] ^ 1]) + data[BEFORE_DIGEST + 1 :]
    else:
        changed = Mutator(data, 0).seal(data.replace(b'"version":"%d"' % VERSION, b'"version":"%d"' % (VERSION + 1), 1))
    try:
        parse_checkpoint(changed)
    except GpurnnError:
        return True
    return False
