"""What the soak counts, and how much of it at a scale."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from faults.shim import call, scratch_folder


def share(count: int, scale: float) -> int:
    """So many of a count at a scale, at least 1: what is run and what is expected are rounded here."""
    return max(1, round(count * scale))


@dataclass
class Tally:
    """What a point has counted.

    counts: by name, added up over runs. fixed: by name, of lists that are run whole. peaks: the largest seen, in bytes.
    facts: other findings. violations: one line each.
    """

    seed: int
    scale: float
    counts: dict[str, int] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def share(self, count: int) -> int:
        """So many of a count at this scale, at least 1."""
        return share(count, self.scale)

    def shares(self, counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """The parts of one count at this scale, at least 1 each, together no less than the share of their sum."""
        whole = done = 0
        for name, count in counts.items():
            whole += count
            part = max(1, self.share(whole) - done)
            done += part
            yield name, part

    def run(self, function: str, **arguments: Any) -> dict[str, Any]:
        """Call a function of the harness in a new process with a scratch folder, and keep its violations."""
        with scratch_folder() as scratch:
            report: dict[str, Any] = call(function, scratch=scratch, **arguments)
        return self.keep(report)

    def keep(self, report: dict[str, Any]) -> dict[str, Any]:
        """Keep the violations of a report."""
        self.violations += report["violations"]
        return report

    def add(self, name: str, count: int) -> None:
        """Count."""
        self.counts[name] = self.counts.get(name, 0) + count
