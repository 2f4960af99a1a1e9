"""What an LSTM learns in some minutes: gpurnn as it trains by default, and the same training written in PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.language_model import evaluate
from gpurnn.network import ModelConfig
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.load import load_trained
from gpurnn.training.session import new_run


def quality(program: str, path: str, minutes: float) -> dict[str, Any]:
    """Windows trained, and the mean nats of the whole valid split, in one stretch, under the best parameters.

    program: a module of `bench_lib.programs`. path: a corpus whose splits are one document each.
    """
    with Corpus.open(Path(path)) as corpus:
        config = settings(len(corpus.vocabulary))
        windows, nats = {"ours": _ours, "torch_peer": _torch}[program](corpus, config, minutes)
    return {"windows": windows, "nats_per_token": nats}


def settings(symbols: int) -> TrainConfig:
    """The settings of `gpurnn train` where none is given, for a long text."""
    return TrainConfig(ModelConfig(symbols))


def _ours(corpus: Corpus, config: TrainConfig, minutes: float) -> tuple[int, float]:
    def warn(line: str) -> None:
        raise RuntimeError(line)

    be = backend.get("cpu")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        outcome = new_run(be, corpus, config, run, warn).run(Limits(minutes=minutes))
        best = load_trained(run, be, on_warning=warn)
    return outcome.windows, evaluate(best.model, best.language, corpus).nats_per_token


def _torch(corpus: Corpus, config: TrainConfig, minutes: float) -> tuple[int, float]:
    from bench_lib.torch_training import Training

    training = Training(corpus, config)
    training.run(minutes)
    return training.windows, training.evaluate()
