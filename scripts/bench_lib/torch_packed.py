"""PyTorch on packed sequences: its modules of both directions, its last states, masked means and maxima."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence, unpack_sequence

from bench_lib.packed import HIDDEN, INPUTS, LAYERS, Packed, parameters, sequences

_MODULES: dict[str, type[nn.RNNBase]] = {"simple": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def trace(case: Packed) -> dict[str, Any]:
    """The loss, the mean over all labels, and its gradients, by gpurnn's names."""
    values = {name: torch.from_numpy(value) for name, value in parameters(case).items()}
    rnn = _MODULES[case.cell](INPUTS, HIDDEN, LAYERS, bidirectional=case.both)
    with torch.no_grad():
        for layer, direction in _places(case):
            _load(case, rnn, layer, direction, values)
    V, c = (values[f"output.{name}"].requires_grad_() for name in "Vc")
    given = sequences(case)
    packed, last = rnn(pack_sequence([torch.from_numpy(rows) for rows, _ in given], enforce_sorted=False))
    labels = torch.cat([torch.from_numpy(each) for _, each in given])
    loss = F.cross_entropy(_pooled(case, packed, last) @ V + c, labels, label_smoothing=case.smoothing)
    loss.backward()
    gradients = {"output.V": V.grad, "output.c": c.grad}
    for layer, direction in _places(case):
        gradients |= _gradients(case, rnn, layer, direction)
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


def _parameter(rnn: nn.RNNBase, name: str, layer: int, direction: str) -> Tensor:
    parameter: Tensor = getattr(rnn, f"{name}_l{layer}{'_reverse' if direction else ''}")
    return parameter


def _load(case: Packed, rnn: nn.RNNBase, layer: int, direction: str, values: dict[str, Tensor]) -> None:
    """gpurnn's layout into PyTorch's; of the two biases one is zero, but for that of GRU's n."""
    ours = f"layers.{layer}.{direction}"
    _parameter(rnn, "weight_ih", layer, direction).copy_(values[f"{ours}U"].T)
    _parameter(rnn, "weight_hh", layer, direction).copy_(values[f"{ours}W"].T)
    _parameter(rnn, "bias_ih", layer, direction).copy_(values[f"{ours}b"])
    other = _parameter(rnn, "bias_hh", layer, direction).zero_()
    if case.cell == "gru":
        other[2 * HIDDEN :] = values[f"{ours}b_h"]


def _gradients(case: Packed, rnn: nn.RNNBase, layer: int, direction: str) -> dict[str, Tensor]:
    ours = f"layers.{layer}.{direction}"

    def of(name: str) -> Tensor:
        gradient = _parameter(rnn, name, layer, direction).grad
        assert gradient is not None
        return gradient

    found = {f"{ours}U": of("weight_ih").T, f"{ours}W": of("weight_hh").T, f"{ours}b": of("bias_ih")}
    return found | ({f"{ours}b_h": of("bias_hh")[2 * HIDDEN :]} if case.cell == "gru" else {})
