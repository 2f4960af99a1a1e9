"""Writes tests/goldens/pytorch_both_directions.npz: what PyTorch's bidirectional GRU and LSTM compute, float64.

    python tests/network/make_pytorch_values.py

Needs PyTorch (2.13.0 wrote the file). Two layers read sequences of several lengths, packed by `pack_sequence`; J is the
sum of the outputs times `factors`. Of each cell: `CELL.weights`, all parameters one after the other in the order of
`parameters()`, `CELL.gradients`, J's with respect to them, and `CELL.outputs`, those of all sequences in turn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

VALUES = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_both_directions.npz"
LENGTHS, INPUTS, HIDDEN = (5, 3, 1, 4, 2), 3, 2


def main() -> None:
    torch.manual_seed(0)
    steps = sum(LENGTHS)
    x, factors = (torch.randn(steps, width, dtype=torch.float64) for width in (INPUTS, 2 * HIDDEN))
    made = {"lengths": np.array(LENGTHS), "x": x.numpy(), "factors": factors.numpy()}
    for name, layer in (("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)):
        network = layer(INPUTS, HIDDEN, num_layers=2, bidirectional=True, dtype=torch.float64)
        packed, _ = network(pack_sequence(list(x.split(LENGTHS)), enforce_sorted=False))
        assert isinstance(packed, PackedSequence)
        outputs = torch.cat(unpack_sequence(packed))
        (outputs * factors).sum().backward()
        parameters = list(network.parameters())
        made[f"{name}.weights"] = torch.cat([each.detach().reshape(-1) for each in parameters]).numpy()
        made[f"{name}.gradients"] = torch.cat([each.grad.reshape(-1) for each in parameters]).numpy()
        made[f"{name}.outputs"] = outputs.detach().numpy()
    np.savez_compressed(VALUES, **made)


if __name__ == "__main__":
    main()
