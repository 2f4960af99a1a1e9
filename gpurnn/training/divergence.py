"""When training has diverged, and what follows: a rule over the log's mean losses, which depends on windows alone.

The mean loss of a log line is high where it exceeds the lowest such mean of the run by `divergence_nats`; of real
targets, by that share of it, see `Head.high_from`. `HIGH_LINES` high lines in a row are a divergence. It is counted;
with rollback the run goes back to its last good window with the learning rate multiplied by `FACTOR`. The `LIMIT`-th
one ends the training.

A good window is one with a log line that is not high; every `GOOD_LINES`-th such line a checkpoint is kept for it. So
the windows a run goes back to are the same whatever the clock does and however often the run is resumed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from gpurnn.exceptions import CheckpointError
from gpurnn.network.heads import Head

CHOICES = ("count", "rollback")
HIGH_LINES = 3
LIMIT = 5
FACTOR = 0.5
GOOD_LINES = 20


@dataclass
class Divergence:
    """What the rule remembers between log lines; part of a checkpoint.

    lowest: the lowest mean loss of a log line so far; None before the first. high: high lines in a row until now.
    count: divergences so far. rollbacks: after how many of them the run went back. good: the last window that a
    checkpoint is kept for, 0 before the first; good_before: the one before it. lines: log lines since `good`.
    """

    lowest: float | None = None
    high: int = 0
    count: int = 0
    rollbacks: int = 0
    good: int = 0
    good_before: int = 0
    lines: int = 0

    @property
    def rate_factor(self) -> float:
        """What the learning rate of the schedule is multiplied by."""
        return float(FACTOR**self.rollbacks)

    def add_line(self, loss: float | None, margin: float, head: Head) -> bool:
        """Add the mean loss of a log line; returns whether the training has diverged there.

        loss: None where no window of the line counted: that changes nothing. margin: how far above the lowest a loss is
        high, as `head`, the model's, takes it; 0: none is.
        """
        if loss is None:
            return False
        if margin and self.lowest is not None and loss > head.high_from(self.lowest, margin):
            self.high += 1
        else:
            self.high = 0
            self.lowest = loss if self.lowest is None else min(loss, self.lowest)
        self.lines += 1
        if self.high < HIGH_LINES:
            return False
        self.high = 0
        self.count += 1
        return True

    def message(self, window: int, margin: float, head: Head) -> str:
        """A divergence that was found at `window`, in words. margin, head: see `add_line`."""
        lowest = self.lowest or 0.0
        return (
            f"window {window}: the mean loss was more than {head.high_from(lowest, margin) - lowest:g} above the "
            f"lowest ({lowest:#.4g}) for {HIGH_LINES} log lines in a row"
        )

    def take_good(self, window: int) -> bool:
        """Whether a checkpoint is to be kept for `window`, whose line was just added; if so, it is a good one."""
        if self.high or self.lowest is None or (self.good and self.lines < GOOD_LINES):
            return False
        self.good_before, self.good, self.lines = self.good, window, 0
        return True

    def back(self, restored: Divergence) -> Divergence:
        """What the rule remembers when the run is back at its last good window. restored: what was saved there."""
        return Divergence(**asdict(restored) | {"count": self.count, "rollbacks": self.rollbacks + 1})

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any, source: str) -> Divergence:
        """What `to_json` described. Raises CheckpointError for anything else, naming `source`."""
        names = [field.name for field in fields(cls)]
        if not isinstance(data, dict) or set(data) != set(names):
            raise CheckpointError(f"{source}: divergence: expected the fields {', '.join(names)}")
        for name in names[1:]:
            if type(data[name]) is not int or data[name] < 0:
                raise CheckpointError(f"{source}: divergence: {name}: expected a count, found {data[name]!r:.40}")
        if data["lowest"] is not None and not isinstance(data["lowest"], (int, float)):
            raise CheckpointError(f"{source}: divergence: lowest: expected a number, found {data['lowest']!r:.40}")
        return cls(**data)
