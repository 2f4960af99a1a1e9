"""What outputs of frames say where the likeliest label of each is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def collapsed(outputs: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The labels that are left when of equal neighbours one stays and then the blanks go, and where each begins.

    outputs: (n, K), of each frame, the blank last; of equal ones the first is taken. Returns the labels, (m,), and
    the first frame of each, (m,).
    """
    likeliest = outputs.argmax(axis=1)
    begins = np.append(True, likeliest[1:] != likeliest[:-1])
    first = np.flatnonzero(begins & (likeliest != outputs.shape[1] - 1))
    return likeliest[first].astype(np.int32), first
