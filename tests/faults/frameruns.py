"""Real training on frames with strings of labels, small: the subject of kills."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from faults.training import Subject
from gpurnn.data.corpus import Corpus
from gpurnn.network import ModelConfig
from gpurnn.training.config import TrainConfig
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from tests.frames import learnable


def write_corpus(folder: Path) -> Path:
    """Lines of up to four letters."""
    learnable(folder / "corpus.h5").close()
    return folder / "corpus.h5"


def settings(corpus: Corpus, *, model: dict[str, Any], **changes: Any) -> TrainConfig:
    """Dropout, a schedule in steps, lines and validations that do not fall together."""
    own = {"inputs": corpus.columns.inputs, "outputs": len(corpus.strings) + 1, "input": "real", "head": "ctc"}
    config = TrainConfig(
        ModelConfig(0, hidden=6, dropout=0.2, **own, **model),
        OptimizerConfig("adam", clip=1.0, average=0.2),
        ScheduleConfig("step", lr=0.01, decay_every=37, decay_factor=0.9),
        lanes=3,
        bptt=16,
        restart=0.0,
        log_every=10,
        validate_every=35,
        divergence_nats=0.0,
    )
    return replace(config, **changes)


def _subject(**model: Any) -> Subject:
    return Subject(write_corpus, partial(settings, model=model))


FRAMES_BOTH = _subject(cell="gru", layers=2, stack=("dropout", "both_directions")).going()
FRAMES_ONE = _subject(cell="lstm", stack=("recurrent", "dropout")).going()
