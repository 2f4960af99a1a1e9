"""Layers of gpurnn in PyTorch's modules: values into them, and their gradients, by gpurnn's names and in its layouts.

Of the two biases of a module one is held at zero, but for that of GRU's n.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

MODULES: dict[str, type[nn.RNNBase]] = {"simple": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def load(rnn: nn.RNNBase, layer: int, reverse: bool, values: Mapping[str, Tensor], name: str) -> None:
    """Overwrite the parameters of a layer in one direction. name: what its values have in front of U, W, b and b_h."""
    _parameter(rnn, "weight_ih", layer, reverse).copy_(values[f"{name}U"].T)
    _parameter(rnn, "weight_hh", layer, reverse).copy_(values[f"{name}W"].T)
    _parameter(rnn, "bias_ih", layer, reverse).copy_(values[f"{name}b"])
    other = _parameter(rnn, "bias_hh", layer, reverse).zero_()
    if f"{name}b_h" in values:
        other[2 * rnn.hidden_size :] = values[f"{name}b_h"]


def gradients(rnn: nn.RNNBase, layer: int, reverse: bool, name: str) -> dict[str, Tensor]:
    """Of a layer in one direction. name: as in `load`."""

    def of(part: str) -> Tensor:
        gradient = _parameter(rnn, part, layer, reverse).grad
        assert gradient is not None
        return gradient

    found = {f"{name}U": of("weight_ih").T, f"{name}W": of("weight_hh").T, f"{name}b": of("bias_ih")}
    return found | ({f"{name}b_h": of("bias_hh")[2 * rnn.hidden_size :]} if isinstance(rnn, nn.GRU) else {})


def hold(rnn: nn.RNNBase) -> None:
    """Call it after each backward pass, so that an update leaves at zero what is held there."""
    held = 2 * rnn.hidden_size if isinstance(rnn, nn.GRU) else None
    for name, parameter in rnn.named_parameters():
        if name.startswith("bias_hh") and parameter.grad is not None:
            parameter.grad[:held].zero_()


def _parameter(rnn: nn.RNNBase, part: str, layer: int, reverse: bool) -> Tensor:
    parameter: Tensor = getattr(rnn, f"{part}_l{layer}{'_reverse' if reverse else ''}")
    return parameter
