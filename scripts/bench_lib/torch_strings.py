"""PyTorch on strings without an alignment: log_softmax and ctc_loss, and back to the outputs."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from bench_lib.strings import Strings


class Program:
    """See `bench_lib.programs.Program`. Each string counts as much as every other."""

    def __init__(self, case: Strings) -> None:
        torch.set_num_threads(case.threads)
        self._outputs = torch.from_numpy(case.outputs()).requires_grad_()
        self._labels, self._counts, self._frames = map(torch.from_numpy, case.strings())
        self._blank = case.symbols - 1
        self._losses = torch.zeros(case.lanes)

    def window(self) -> None:
        """Losses and errors; both 0 of what does not fit."""
        self._outputs.grad = None
        losses = F.ctc_loss(
            self._outputs.log_softmax(2),
            self._labels,
            self._frames,
            self._counts,
            self._blank,
            reduction="none",
            zero_infinity=True,
        )
        losses.sum().backward()
        self._losses = losses.detach()

    def read_loss(self) -> float:
        return self._losses.sum().item()

    def finish(self) -> None:
        """Nothing runs on after a call on the CPU."""

    def gradients(self) -> dict[str, np.ndarray]:
        """Of the outputs; and the losses, which may be 0."""
        self.window()
        assert self._outputs.grad is not None
        return {"o": self._outputs.grad.numpy(), "losses": self._losses.numpy()}
