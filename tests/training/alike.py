"""Runs held against each other: what their logs say but for the clock, and the bits of their checkpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cudahost
import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.session import new_run, resumed_run

Entries = list[dict[str, Any]]

_CLOCK = ("seconds", "tokens_per_second", "steps_per_second", "targets_per_second")


def refuse_warnings(text: str) -> None:
    raise AssertionError(f"unexpected warning: {text}")


def log_without_clock(path: Path) -> Entries:
    """The entries of a run's log but for what the clock decides."""
    entries = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    for entry in entries:
        clock = [entry.pop(name) for name in _CLOCK if name in entry]
        assert len(clock) == 2
        assert min(clock) >= 0
    return entries


def tensors(path: Path, windows: int) -> dict[str, np.ndarray]:
    """All that the checkpoint after so many windows holds."""
    return read_checkpoint(path / "checkpoints" / f"window-{windows:010d}.safetensors").tensors


def assert_same_run(one: Path, other: Path, windows: int) -> None:
    """Both have written the same, bit by bit, up to so many windows."""
    mine, theirs = tensors(one, windows), tensors(other, windows)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert array.dtype == theirs[name].dtype, name
        assert array.tobytes() == theirs[name].tobytes(), name
    assert log_without_clock(one) == log_without_clock(other)


def check_resumes(be: Backend, corpus: Corpus, config: TrainConfig, folder: Path, stops: Sequence[int]) -> Entries:
    """A run that is stopped after each of these windows writes what one writes that goes to the last of them at once.

    Its parameters change in between. Returns the log.
    """
    new_run(be, corpus, config, folder / "whole", refuse_warnings).run(Limits(windows=stops[-1]))
    new_run(be, corpus, config, folder / "parts", refuse_warnings).run(Limits(windows=stops[0]))
    first = tensors(folder / "parts", stops[0])["output.V"]
    for stop in stops[1:]:
        resumed_run(be, folder / "parts", refuse_warnings).run(Limits(windows=stop))
    assert_same_run(folder / "whole", folder / "parts", stops[-1])
    assert not np.array_equal(first, tensors(folder / "parts", stops[-1])["output.V"])
    return log_without_clock(folder / "whole")


def check_captured(cuda: Backend, corpus: Corpus, config: TrainConfig, folder: Path, windows: int) -> None:
    """A run of captured windows writes what one of eager windows does."""
    if cudahost.active():
        cudahost.reset_counters()
    new_run(cuda, corpus, config, folder / "graph", refuse_warnings).run(Limits(windows=windows))
    if cudahost.active():
        assert cudahost.counters()["graph_launches"] >= windows - 5
    eager = backend.get("cuda", graphs=False)
    new_run(eager, corpus, config, folder / "eager", refuse_warnings).run(Limits(windows=windows))
    assert_same_run(folder / "graph", folder / "eager", windows)
