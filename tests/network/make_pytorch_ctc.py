"""Writes tests/goldens/pytorch_ctc.npz: what PyTorch's ctc_loss computes of strings, one at a time, in float64.

    python tests/network/make_pytorch_ctc.py

Needs PyTorch (2.13.0 wrote the file). Sequence n has `frames[n]` rows of `outputs`, logits of 7 symbols of which the
last is the blank, and `counts[n]` of `labels`. `nats`: the loss of each; `errors`: its derivatives by the outputs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

VALUES = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_ctc.npz"
FRAMES, COUNTS, SYMBOLS = (40, 9, 1, 1, 12, 25, 30), (13, 9, 1, 0, 6, 0, 14), 7


def main() -> None:
    rng = np.random.default_rng(8)
    outputs = 3 * rng.standard_normal((sum(FRAMES), SYMBOLS))
    labels = np.concatenate([np.arange(count) * (1 + n) // 2 % (SYMBOLS - 1) for n, count in enumerate(COUNTS)])
    nats, errors = [], []
    strings = np.split(labels, np.cumsum(COUNTS)[:-1])
    for rows, string in zip(np.split(outputs, np.cumsum(FRAMES)[:-1]), strings, strict=True):
        o = torch.tensor(rows, requires_grad=True)
        sizes = torch.tensor([len(rows)]), torch.tensor([len(string)])
        loss = F.ctc_loss(o.log_softmax(1)[:, None], torch.tensor(string)[None], *sizes, SYMBOLS - 1, reduction="sum")
        loss.backward()
        nats.append(loss.item())
        errors.append(o.grad.numpy())
    made = {"frames": FRAMES, "counts": COUNTS, "outputs": outputs, "labels": labels}
    np.savez_compressed(VALUES, **made, nats=nats, errors=np.concatenate(errors))


if __name__ == "__main__":
    main()
