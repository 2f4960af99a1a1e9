"""gpurnn on whole sequences that are packed into the lanes of one window."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench_lib.packed import HIDDEN, INPUTS, LABELS, LAYERS, Packed, parameters, sequences
from gpurnn import backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.training.feed import Feed

_STEPS, _LANES = 9, 4


def trace(case: Packed) -> dict[str, Any]:
    """The loss, the mean over all labels, and its gradients."""
    config = ModelConfig(
        0,
        case.cell,
        HIDDEN,
        LAYERS,
        dropout=0.0,
        inputs=INPUTS,
        outputs=LABELS,
        input="real",
        head="smoothed_softmax" if case.smoothing else "softmax",
        label_smoothing=case.smoothing,
        stack=("both_directions" if case.both else "recurrent",),
        pool=case.pool,
    )
    model = Model(backend.get("cpu"), config)
    model.params.load(model.be, parameters(case), "benchmark")
    workspace = model.workspace(_LANES, _STEPS)
    Feed(model.be, workspace.batch).load(_window(case))
    model.forward(workspace, model.state(_LANES))
    model.backward(workspace)
    gradients = {name: array.tolist() for name, array in model.params.gradient.items()}
    return {"gradients": gradients, "losses": [float(workspace.loss[0])]}


def _window(case: Packed) -> Window:
    """Each sequence in the first lane that has room; what is left over begins with carry 0."""
    shape = _STEPS, _LANES
    reals, targets = np.full((*shape, INPUTS), 9, np.float32), np.zeros(shape, np.int32)
    carry, weight = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    filled = [0] * _LANES
    for rows, labels in sequences(case):
        lane = next(lane for lane in range(_LANES) if filled[lane] + len(rows) <= _STEPS)
        begin = filled[lane]
        end = filled[lane] = begin + len(rows)
        carry[begin, lane] = 0
        reals[begin:end, lane] = rows
        targets[end - len(labels) : end, lane] = labels
        weight[end - len(labels) : end, lane] = 1
    for lane, end in enumerate(filled):
        carry[end : end + 1, lane] = 0
    return Window(
        0,
        0,
        carry=carry,
        weight=weight,
        has_boundary=True,
        uniform=False,
        weight_sum=float(weight.sum()),
        cursor=Cursor(1, _LANES, _STEPS, 0),
        reals=reals,
        targets=targets,
    )
