"""What a model of frames says of sequences of them, one after the other: how likely each label is in each frame."""

from __future__ import annotations

from dataclasses import replace

from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller
from gpurnn.training.tasks.base import BOTH_DIRECTIONS


class Transcriber(Labeller):
    """Runs a model of frames over sequences of them; see `Labeller.log_probabilities`, which gives (n, K) of each.

    model, config: of a run on frames. With one direction a sequence may have any number of frames.
    """

    _advice = "cut it into parts, or train with one direction, which reads any number of them"

    def __init__(self, model: Model, config: TrainConfig) -> None:
        both = BOTH_DIRECTIONS in config.model.stack
        super().__init__(model, replace(config, layout="whole" if both else "through"), at_end=False)
