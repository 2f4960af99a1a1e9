"""The mean loss of a model over all windows of a stream."""

from __future__ import annotations

import math
from contextlib import closing

import numpy as np

from gpurnn.data.stream import WindowStream
from gpurnn.exceptions import GpurnnError
from gpurnn.network import Model
from gpurnn.training.validation import ForwardPass


def mean_loss(model: Model, stream: WindowStream, split: str) -> float:
    """The mean over all targets, each by its weight; the stream is closed.

    split: for the message. Raises GpurnnError where the loss is not finite.
    """
    total = weight = 0.0
    with closing(stream):
        for window, losses in ForwardPass(model, *stream.geometry.sizes).losses(stream):
            total += float(np.sum(losses * window.weight, dtype=np.float64))
            weight += window.weight_sum
    if not math.isfinite(total):
        raise GpurnnError(f"the loss over split {split} is not finite, the model has diverged; try another checkpoint")
    return total / weight
