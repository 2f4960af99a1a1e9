"""PyTorch on packed sequences: its modules of both directions, its last states, masked means and maxima."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence, unpack_sequence

from bench_lib import torch_layers
from bench_lib.packed import HIDDEN, INPUTS, LAYERS, Packed, parameters, sequences


def trace(case: Packed) -> dict[str, Any]:
    """The loss, the mean over all labels, and its gradients, by gpurnn's names."""
    values = {name: torch.from_numpy(value) for name, value in parameters(case).items()}
    rnn = torch_layers.MODULES[case.cell](INPUTS, HIDDEN, LAYERS, bidirectional=case.both)
    with torch.no_grad():
        for layer, direction in _places(case):
            torch_layers.load(rnn, layer, bool(direction), values, f"layers.{layer}.{direction}")
    V, c = (values[f"output.{name}"].requires_grad_() for name in "Vc")
    given = sequences(case)
    packed, last = rnn(pack_sequence([torch.from_numpy(rows) for rows, _ in given], enforce_sorted=False))
    labels = torch.cat([torch.from_numpy(each) for _, each in given])
    loss = F.cross_entropy(_pooled(case, packed, last) @ V + c, labels, label_smoothing=case.smoothing)
    loss.backward()
    gradients = {"output.V": V.grad, "output.c": c.grad}
    for layer, direction in _places(case):
        gradients |= torch_layers.gradients(rnn, layer, bool(direction), f"layers.{layer}.{direction}")
    found = {name: value.tolist() for name, value in gradients.items() if value is not None}
    return {"gradients": found, "losses": [loss.item()]}


def _pooled(case: Packed, packed: PackedSequence, last: Any) -> Tensor:
    """What the labels are told from: the rows of all steps in turn, or one row a sequence."""
    if not case.pool:
        return torch.cat(unpack_sequence(packed))
    if case.pool == "last":
        h: Tensor = last[0] if case.cell == "lstm" else last
        return torch.cat(list(h[-len(case.directions) :]), 1)
    padded, lengths = pad_packed_sequence(packed, padding_value=0.0 if case.pool == "mean" else -torch.inf)
    return padded.sum(0) / lengths[:, None] if case.pool == "mean" else padded.amax(0)


def _places(case: Packed) -> list[tuple[int, str]]:
    return [(layer, direction) for layer in range(LAYERS) for direction in case.directions]
