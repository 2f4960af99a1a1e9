"""What is looked at: a checkpoint with its models, and its corpus as far as that is there."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Window
from gpurnn.data.stream.places import LabelledPlaces, Places
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.data.told import counted
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.history import History, history
from gpurnn.diagnosis.passage import given_passage
from gpurnn.diagnosis.report import Panel
from gpurnn.exceptions import GpurnnError, RunError, UsageError
from gpurnn.network import Model, State
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import read_log
from gpurnn.training.config import TrainConfig
from gpurnn.training.meaning import Meaning, kind_of, load_meaning
from gpurnn.training.model_file import is_model_file
from gpurnn.training.origin import load_checkpoint, refuse_other_model
from gpurnn.training.session import corpus_of
from gpurnn.training.snapshot import load_config, load_model
from gpurnn.training.tasks import TASKS, Task, task_of
from gpurnn.training.tasks.labelled import weights_of

_logger = logging.getLogger("gpurnn")


class NotMeasured(Exception):
    """A question that is not asked of what is looked at; its text says why."""


class Subject:
    """What is looked at.

    source: the run, or the checkpoint. corpus: open, None where it is not there; missing: why. models: by the names of
    their parameters, "last" and "average"; averaged: whether these differ. windows, epochs: how long it has learnt,
    0 and nan where that is not known. given: a text that somebody wants to see read, None without.
    """

    def __init__(
        self,
        source: Path,
        be: Backend,
        checkpoint: Checkpoint,
        corpus: Corpus | None,
        missing: str,
        text: str | bytes | None = None,
    ) -> None:
        """Raises UsageError, DataError for a text that it cannot read."""
        self.source, self.be, self.checkpoint = source, be, checkpoint
        self.corpus, self.missing = corpus, missing
        self.config: TrainConfig = load_config(checkpoint)
        self.meaning: Meaning = load_meaning(checkpoint)
        self.given = None if text is None else self._given(text)
        average = load_model(be, checkpoint)
        self.models = {"average": average, "last": average}
        self.averaged = any(name.startswith("average.") for name in checkpoint.tensors)
        if self.averaged:
            last = Model(be, self.config.model)
            last.params.load(be, checkpoint.tensors, str(checkpoint.path))
            self.models["last"] = last
        progress = checkpoint.header.get("progress")
        windows = progress.get("windows") if isinstance(progress, dict) else 0
        self.windows = windows if isinstance(windows, int) else 0
        self.epochs = self.windows / self._windows_per_epoch()

    def _given(self, text: str | bytes) -> Window:
        if not isinstance(self.meaning, Language) or self.meaning.vocabulary.kind == "words":
            raise UsageError(
                f"`text` is for models of text in characters or bytes; {self.checkpoint.path} is none; leave it out"
            )
        try:
            return given_passage(self.meaning, text)
        except GpurnnError as error:
            raise type(error)(f"`text` for {self.source}: {error}") from None

    def _windows_per_epoch(self) -> float:
        if not self.windows or self.corpus is None or not self.own_corpus or self.corpus.kind not in TASKS:
            return math.nan
        try:
            return max(1, TASKS[self.corpus.kind](self.corpus, self.config).windows_per_epoch)
        except GpurnnError:
            return math.nan

    @property
    def own_corpus(self) -> bool:
        """Whether the corpus is the one that it was trained on."""
        trained_on = self.checkpoint.header.get("corpus")
        fingerprint = trained_on.get("fingerprint") if isinstance(trained_on, dict) else None
        return self.corpus is not None and self.corpus.fingerprint == fingerprint

    @property
    def through(self) -> bool:
        """Whether lanes go through a split, which can be read at any place of it."""
        if isinstance(self.meaning, Labelling):
            return self.config.layout == "through"
        return isinstance(self.meaning, Language | Columns)

    @property
    def task(self) -> Task:
        """What it learns. Raises NotMeasured without a corpus; UsageError, DataError where they do not fit."""
        if self.corpus is None:
            raise NotMeasured(f"not measured: {self.missing}")
        return task_of(self.corpus, self.config)

    @property
    def input_vocabulary(self) -> Vocabulary | None:
        """Of what its steps read; None where that are no symbols of a vocabulary."""
        return self.meaning.vocabulary if isinstance(self.meaning, Labelling) else None

    def refuse_to_replace(self, files: Iterable[Path]) -> None:
        """Raises UsageError where one of these files, whose links are followed, belongs to what is looked at."""
        read = [path.resolve() for path in (self.checkpoint.path, self.corpus and self.corpus.path) if path]
        for file in files:
            if file in read or (self.source.is_dir() and file.is_relative_to(self.source.resolve())):
                raise UsageError(f"{file}: it belongs to what is looked at, {self.source}; give another name")

    def described(self) -> Panel:
        """What was looked at, in words and numbers."""
        config, model = self.config, self.config.model
        kind = self.kind
        numbers = {
            "windows": self.windows,
            "epochs": self.epochs,
            "kind": kind,
            "cell": model.cell,
            "hidden": model.hidden,
            "layers": model.layers,
            "parameters": self.models["last"].params.size,
            "lanes": config.lanes,
            "bptt": config.bptt,
        }
        after = f"after {counted(self.windows, 'window')} of" if self.windows else "with windows of"
        epochs = "" if math.isnan(self.epochs) else f" ({self.epochs:.3g} epochs)"
        sentence = (
            f"{model.cell}, {counted(model.layers, 'layer')} of {model.hidden}, {after} {counted(config.bptt, 'step')} "
            f"of {counted(config.lanes, 'lane')}{epochs} of {kind}, on {self.be.device}"
        )
        if self.source.is_dir() and not self.own_run:
            sentence += f"; it is {self.checkpoint.path}, no checkpoint of {self.source}"
        if self.missing:
            return Panel("note", f"{sentence}; {self.missing}", numbers)
        if self.corpus is not None and not self.own_corpus:
            return Panel("note", f"{sentence}; {self.corpus.path} is not the corpus that it was trained on", numbers)
        return Panel("info" if self.own_run or not self.source.is_dir() else "note", sentence, numbers)

    def places(self, split: str, question: str) -> Places:
        """A split that is read at any place. question: the panel. Raises NotMeasured where it is not asked."""
        if self.corpus is None:
            raise NotMeasured(f"not measured: {self.missing}")
        part, meaning = self.corpus.split(split), self.meaning
        if isinstance(meaning, Language):
            return Places(part)
        if question == "text":
            raise NotMeasured("not measured: what costs how much is told of text only")
        if isinstance(meaning, Columns):
            return Places(part, Forecast(meaning, self.config.target, self.config.ahead), self.config.burn_in)
        if not self.through or not isinstance(meaning, Labelling):
            raise NotMeasured(f"not measured: {findings.why_not_asked(question, self.kind, self.config)}")
        if meaning.what == "labels" and question in ("state", "recovery"):
            raise NotMeasured("not measured: only the last step of a sequence has a label; see reach")
        weights = weights_of(self.config.class_weights, meaning)
        return LabelledPlaces(part, len(meaning.labels), meaning.columns, weights)

    def carried(self, model: Model) -> State | None:
        """What the lanes of training carried when the checkpoint was written; None where a file has no such thing."""
        if is_model_file(self.checkpoint):
            return None
        state = model.state(self.config.lanes)
        for name, array in state.named().items():
            self.be.from_host(self.checkpoint.tensor(name, array.shape).astype(array.dtype), out=array)
        return state

    @property
    def kind(self) -> str:
        """What it was trained on, in a word, see `kind_of`."""
        return kind_of(self.meaning)

    @property
    def output(self) -> str:
        """What an output is for, in a word."""
        return {"series": "forecast", "frames": "frame"}.get(self.kind, "target")

    def told_of(self, places: Places, start: int) -> str:
        """Which place that is, for a person: what stands there, or which row it is and when."""
        vocabulary = self.meaning.vocabulary if isinstance(self.meaning, Language) else self.input_vocabulary
        if vocabulary is not None:
            window = places.window(np.array([start]), min(16, places.count - start))
            return ascii(vocabulary.decode(window.tokens[:, 0].tolist()))
        row = f"row {start:,} of split {places.name}"
        if not isinstance(self.meaning, Columns) or not self.meaning.time:
            return row
        assert self.corpus is not None
        split, begin = self.corpus.split(places.name), np.zeros(1, np.uint64)
        number = split.documents.locate(start + 1) - 1
        split.documents.read(number, begin)
        time = int(split.starts(number, 1)[0]) + (start - int(begin[0])) * self.meaning.interval
        key = f" of {self.corpus.key_names[int(split.keys(number, 1)[0])]!a}" if self.meaning.key else ""
        return f"{row} ({np.datetime64(time, 's')}{key})"

    @property
    def own_run(self) -> bool:
        """Whether the checkpoint lies in the run that was named, so that its log is that of the checkpoint."""
        path = self.checkpoint.path
        return self.source.is_dir() and path is not None and path.resolve().is_relative_to(self.source.resolve())

    def log(self) -> tuple[History | None, str]:
        """What the log says up to the checkpoint; None, and why, where it says nothing."""
        if not self.own_run:
            return None, f"the log of {self.checkpoint.path} is that of its run; name that"
        try:
            lines: Iterator[Mapping[str, Any]] = read_log(RunDirectory.open(self.source).log, lambda text: None)
            task = TASKS["chars" if self.kind == "text" else self.kind]
            found = history((line for line in lines if int(line["window"]) <= self.windows), self.config, task)
        except RunError as error:
            return None, str(error)
        return found, "" if found else f"its log has no line of the first {self.windows:,} windows"


@contextmanager
def opened(
    source: Path,
    be: Backend | None = None,
    corpus: Corpus | None = None,
    *,
    checkpoint: str = "last",
    text: str | bytes | None = None,
    on_warning: Callable[[str], None] = _logger.warning,
) -> Iterator[Subject]:
    """A run, or a checkpoint, to be looked at. Nothing is written, no lock is taken.

    corpus: open; None: that of the run, where it is still there. checkpoint: "last", "best" or a file. text: a passage
    of one's own, whose symbols are looked at. on_warning: called with one line on what is damaged.
    Raises RunError, CheckpointError: a run or checkpoint that is missing or damaged; CheckpointError for a corpus that
    is not of its kind; UsageError, DataError for a text that it cannot read.
    """
    loaded = load_checkpoint(source, checkpoint, on_warning)
    own, missing = _own_corpus(loaded) if corpus is None else (corpus, "")
    try:
        if corpus is not None:
            refuse_other_model(loaded, load_config(loaded), corpus)
        yield Subject(source, be or backend.get("auto"), loaded, own, missing, text)
    finally:
        if own is not None and corpus is None:
            own.close()


def _own_corpus(loaded: Checkpoint) -> tuple[Corpus | None, str]:
    """That which a checkpoint names, open; None, and why, where it is no longer there."""
    try:
        corpus = corpus_of(loaded.header, loaded.path)
    except GpurnnError as error:
        return None, str(error)
    try:
        refuse_other_model(loaded, load_config(loaded), corpus)
    except GpurnnError:
        corpus.close()
        return None, f"{corpus.path}: it is no longer the corpus of {loaded.path}; name where that is now"
    return corpus, ""
