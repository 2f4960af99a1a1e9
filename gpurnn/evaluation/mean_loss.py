"""The mean loss of a model over all windows of a stream."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from gpurnn.data.stream import WindowStream
from gpurnn.network import Model
from gpurnn.training.finite import expect_finite
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
    expect_finite(f"the loss over split {split}", total)
    return total / weight
