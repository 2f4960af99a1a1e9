"""The numbers that come out of a model: as logarithms of probabilities, and refused where they are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpurnn.exceptions import GpurnnError


def to_log_softmax(outputs: NDArray[Any]) -> None:
    """outputs: (..., K), overwritten with the logarithms of the probabilities of the K."""
    outputs -= outputs.max(axis=-1, keepdims=True)
    outputs -= np.log(np.exp(outputs).sum(axis=-1, keepdims=True))


def expect_finite(what: str, found: ArrayLike) -> None:
    """Raises GpurnnError where a number is not finite. what: it is called."""
    if not np.isfinite(found).all():
        raise GpurnnError(f"{what} is not finite, the model has diverged; try another checkpoint")
