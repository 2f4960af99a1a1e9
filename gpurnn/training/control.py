"""The places of the control array, where a device decides what becomes of a window, and of an optimizer's settings.

Both are float64 arrays. Bodies in Python, C and CUDA C know the places by these names, see `PLACES`.
"""

from __future__ import annotations


class Control:
    """Places in the control array, which stands on the device and in checkpoints."""

    RATE = 0
    """Learning rate of this window; written by the host."""
    NORM = 1
    """Norm of the gradient before clipping."""
    CLIP_FACTOR = 2
    """What clipping multiplies the gradient with."""
    OUTCOME = 3
    """What becomes of this window, an `Outcome`."""
    UPDATES = 4
    """Windows that changed the parameters."""
    SKIPPED = 5
    """Windows that did not, since their loss or gradient was not finite."""
    SKIPPED_IN_A_ROW = 6
    LOSS = 7
    """Summed since the last log line: weight * loss."""
    WEIGHT = 8
    """Summed likewise."""
    MOST_SKIPPED_IN_A_ROW = 9
    """The most windows skipped in a row since the last log line."""
    CLIPPED = 10
    """Windows whose gradient was clipped by its norm, since then."""
    LARGEST_NORM = 11
    """Of a gradient before clipping, since then; windows that were skipped are left out."""
    CHANGE = 12
    """|change of the parameters|² in the window of a log line; written by the host."""
    SIZE = 13
    """|parameters|² before it; likewise."""


class Outcome:
    """What becomes of a window. All but the first carry their state on."""

    NOT_FINITE = 0
    LEARNT = 1
    UNWEIGHTED = 2


class Setting:
    """Places in the settings array, which stays as it is; the fields of `OptimizerConfig`, 0 for what is not used."""

    CLIP_NORM = 0
    CLIP_VALUE = 1
    DECAY = 2
    DECOUPLED = 3
    """1: weight decay is applied to the parameters; 0: it is added to the gradient."""
    BETA1 = 4
    """Or momentum."""
    BETA2 = 5
    EPSILON = 6
    MATRICES = 7
    """How many of the parameters are those of matrices; they stand first, and have weight decay."""
    REACH = 8
    """Back over which part of all updates the average of the parameters reaches; 0: there is none."""


def _numbers(places: type) -> dict[str, int]:
    return {name: value for name, value in vars(places).items() if name.isupper()}


PLACES = _numbers(Control) | _numbers(Outcome) | _numbers(Setting)
"""All of them by name, for the constants of operations that are handed these arrays."""
FIRST_ADDED = Control.CLIPPED
"""Checkpoints keep the places from this one on apart: those of earlier versions have none of them."""
CONTROL_SIZE, SETTINGS_SIZE = len(_numbers(Control)), len(_numbers(Setting))
