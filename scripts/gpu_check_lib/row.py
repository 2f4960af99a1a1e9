"""What a row of the check is: a question that a process of its own answers, within a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_LIMIT = 20.0
"""Seconds that a row may take at least, however soon it should be done."""
_TIMES_THE_ESTIMATE = 3


class LeftOut(Exception):
    """A row that cannot be answered here; the text says why."""


@dataclass(frozen=True)
class Context:
    """What a row knows of the machine.

    emulated: whether the emulated device stands in for a GPU: no timings then. peer_python: the interpreter that may
    have PyTorch. device: what the row `environment` found, empty before it.
    """

    emulated: bool
    peer_python: str
    device: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row.

    name: as --rows has it. asks: what it answers, for people. do: "module:function", called with a `Context` and the
    arguments; it returns plain values, or raises `LeftOut`. estimate: seconds on the device that is there. needs_gpu:
    whether it is left out where gpurnn cannot use the device. tests: whether --skip-tests leaves it out.
    """

    name: str
    asks: str
    do: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    estimate: float = 15.0
    needs_gpu: bool = True
    tests: bool = False

    @property
    def limit(self) -> float:
        """Seconds after which its processes are ended."""
        return max(LEAST_LIMIT, _TIMES_THE_ESTIMATE * self.estimate)
