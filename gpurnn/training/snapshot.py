"""A run in arrays and JSON: what a checkpoint holds, and how it comes back.

Tensors: each parameter by its name; `m.` and `v.` before a parameter's name, its moments, and `average.`, its average;
`optimizer.control` and `optimizer.since_line`, the control array; `state.L.h`, `state.L.c`, what each lane carries; and
what is kept of the corpus, see `gpurnn.training.meaning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import gpurnn
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Cursor
from gpurnn.exceptions import CheckpointError, GpurnnError, UsageError
from gpurnn.network import Model, State
from gpurnn.network.chain import parts_of, specs_of
from gpurnn.network.state import state_shapes
from gpurnn.runs.checkpoint import Checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.control import FIRST_ADDED
from gpurnn.training.divergence import Divergence
from gpurnn.training.meaning import Meaning, described
from gpurnn.training.model_file import is_model_file
from gpurnn.training.optimizer import Optimizer

_AVERAGE = "average."
_CONTROL, _ADDED = "optimizer.control", "optimizer.since_line"


@dataclass
class Progress:
    """Where a run stands: what a checkpoint keeps besides arrays.

    windows: consumed since the run's beginning. cursor: where the stream goes on; None: at its beginning. best: the
    lowest validation loss, None before the first; best_window: where. stale: validations in a row that were no better.
    plateaus: how often the plateau schedule has lowered the rate. seconds: spent so far. divergence: what its rule
    remembers. line_missing: whether the log line and the validation of the last window are missing, since a signal cut
    that validation short or the run ended before it; "line_due" in files.
    """

    windows: int = 0
    cursor: Cursor | None = None
    best: float | None = None
    best_window: int = 0
    stale: int = 0
    plateaus: int = 0
    seconds: float = 0.0
    divergence: Divergence = field(default_factory=Divergence)
    line_missing: bool = False

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        cursor = self.cursor.to_json() if self.cursor else None
        data = vars(self) | {"cursor": cursor, "divergence": self.divergence.to_json()}
        if data.pop("line_missing"):
            data["line_due"] = True
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str) -> Progress:
        """What `to_json` described. Raises CheckpointError for anything else, naming `source`."""
        counts = ("windows", "best_window", "stale", "plateaus")
        if set(data) - {"line_due"} != {*counts, "cursor", "best", "seconds", "divergence"}:
            raise CheckpointError(f"{source}: progress: its fields are not those of a checkpoint")
        for name in counts:
            if type(data[name]) is not int or data[name] < 0:
                raise CheckpointError(f"{source}: progress: {name}: expected a count, found {data[name]!r:.40}")
        for name in ("best", "seconds"):
            if type(data[name]) not in (int, float) and (name, data[name]) != ("best", None):
                raise CheckpointError(f"{source}: progress: {name}: expected a number, found {data[name]!r:.40}")
        if data.get("line_due", True) is not True:
            raise CheckpointError(f"{source}: progress: line_due: expected true, found {data['line_due']!r:.40}")
        try:
            cursor = None if data["cursor"] is None else Cursor.from_json(data["cursor"])
        except GpurnnError as error:
            raise CheckpointError(f"{source}: progress: {error}") from None
        divergence = Divergence.from_json(data["divergence"], f"{source}: progress")
        plain = {name: value for name, value in data.items() if name != "line_due"}
        missing = "line_due" in data
        return cls(**plain | {"cursor": cursor, "divergence": divergence, "line_missing": missing})


def versions(be: Backend) -> dict[str, str]:
    """Everything outside the run's settings that decides its bits."""
    return {"gpurnn": gpurnn.__version__, **be.arithmetic()}


@dataclass(frozen=True)
class Unchanging:
    """What is the same in all checkpoints of a run, held in memory so that a save reads nothing: tensors and header."""

    tensors: dict[str, np.ndarray]
    header: dict[str, Any]


def unchanging(config: TrainConfig, corpus: Corpus, meaning: Meaning, be: Backend) -> Unchanging:
    """Read it, once. meaning: that of the corpus."""
    about = {"path": str(corpus.path.resolve()), "fingerprint": corpus.fingerprint, **described(meaning)}
    header = {"config": config.to_json(), "corpus": about, "versions": versions(be)}
    return Unchanging(dict(meaning.to_arrays()), header)


def pack(
    model: Model, optimizer: Optimizer, state: State, progress: Progress, always: Unchanging
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and header of a checkpoint, from memory alone; waits for the device."""
    be, params = model.be, model.params
    device = dict(params.value)
    for name, flat in optimizer.flats.items():
        device |= {f"{name}.{parameter}": view for parameter, view in params.named(flat).items()}
    device |= {_CONTROL: optimizer.ctl[:FIRST_ADDED], _ADDED: optimizer.ctl[FIRST_ADDED:], **state.named()}
    tensors = {name: be.to_host(array) for name, array in device.items()}
    return tensors | always.tensors, {"progress": progress.to_json(), **always.header}


def unpack(checkpoint: Checkpoint, model: Model, optimizer: Optimizer, state: State) -> Progress:
    """Put a checkpoint's arrays back and return where the run stood. Raises CheckpointError where one is missing."""
    be, params, source = model.be, model.params, str(checkpoint.path)
    params.load(be, checkpoint.tensors, source)
    device = {_CONTROL: optimizer.ctl[:FIRST_ADDED], **state.named()}
    if _ADDED in checkpoint.tensors:
        device[_ADDED] = optimizer.ctl[FIRST_ADDED:]
    else:  # of an earlier version
        optimizer.ctl[FIRST_ADDED:].fill(0)
    for name, flat in optimizer.flats.items():
        device |= {f"{name}.{parameter}": view for parameter, view in params.named(flat).items()}
    for name, array in device.items():
        be.from_host(checkpoint.tensor(name, array.shape).astype(array.dtype), out=array)
    return Progress.from_json(checkpoint.section("progress"), source)


def load_config(checkpoint: Checkpoint) -> TrainConfig:
    """The settings that a model was trained with; its parameters have the shapes that they ask for.

    So have the states in a checkpoint; a model file (see `gpurnn.training.model_file`) has none.

    Call it before memory is taken for what it describes. Raises RunError, CheckpointError.
    """
    alone = is_model_file(checkpoint)
    config = TrainConfig.from_json(checkpoint.section("config"), f"{checkpoint.path}: config")
    model, tensors = config.model, checkpoint.tensors
    try:
        parts = parts_of(model)
    except UsageError as error:
        raise CheckpointError(f"{checkpoint.path}: config: {error}; its header describes no model") from None
    shapes: dict[str, tuple[int, ...]] = {spec.name: spec.shape for spec in specs_of(parts)}
    if not alone:
        shapes |= state_shapes(parts, config.lanes)
    for name, shape in shapes.items():
        found = tensors[name].shape if name in tensors else "no such tensor"
        if found != shape:
            raise CheckpointError(
                f"{checkpoint.path}: {name}: expected {shape}, found {found}; its header describes another model"
            )
    return config


def load_model(be: Backend, checkpoint: Checkpoint) -> Model:
    """The model of a checkpoint as it was validated. Raises RunError, CheckpointError."""
    model = Model(be, load_config(checkpoint).model)
    model.params.load(be, validated_parameters(checkpoint), str(checkpoint.path))
    return model


def validated_parameters(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The parameters by name that were validated: their average where one was kept."""
    averaged = {name: array for name, array in checkpoint.tensors.items() if name.startswith(_AVERAGE)}
    return {name.removeprefix(_AVERAGE): array for name, array in averaged.items()} or checkpoint.tensors
