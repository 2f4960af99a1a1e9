"""The same forecasts learnt in the usual way: for each target PyTorch's GRU reads a window of the last rows again."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_lib.cases import Case
from bench_lib.programs.torch_peer import ModuleBody
from bench_lib.series import BATCH, LOOK_BACK, RATE, Setup
from gpurnn.data.corpus import Corpus

_WARM = 3


class Program:
    """Batches of windows drawn at random, the loss of the last step of each, AdamW in its fused form."""

    def __init__(self, path: Path) -> None:
        setup = Setup(Corpus.open(path))
        config = setup.config
        torch.manual_seed(config.seed)
        values = {name: torch.from_numpy(np.array(value)) for name, value in setup.model().params.value.items()}
        scaled, targets, ends = setup.rows()
        self._rows, self._targets = torch.from_numpy(scaled), torch.from_numpy(targets)
        self._ends, self._steps = torch.from_numpy(ends), torch.arange(LOOK_BACK)[:, None] - LOOK_BACK + 1
        hidden, width = config.model.hidden, scaled.shape[1]
        # Its input is as wide as a vocabulary of so many symbols would be; it is given rows of numbers.
        body = ModuleBody(Case("gru", BATCH, LOOK_BACK, hidden, width, config.model.layers), "one-hot", values)
        self._rnn, self._output = body.rnn, nn.Linear(hidden, 1)
        with torch.no_grad():
            self._output.weight.copy_(values["output.V"].T)
            self._output.bias.copy_(values["output.c"])
        self._learnt = [p for module in (self._rnn, self._output) for p in module.parameters()]
        adam = config.optimizer
        self._dropout, self._clip = config.model.dropout, adam.clip
        self._adam = torch.optim.AdamW(self._learnt, RATE, weight_decay=adam.weight_decay, fused=True)

    def outputs(self) -> list[float]:
        """See `bench_lib.series.Program.outputs`."""
        with torch.no_grad():
            found: list[float] = self._forward(self._ends[:BATCH], 0.0)[:, 0].tolist()
        return found

    def run(self, seconds: float) -> tuple[int, float]:
        """See `bench_lib.series.Program.run`."""
        for _ in range(_WARM):
            self._update()
        start, targets = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            self._update()
            targets += BATCH
        return targets, spent

    def _forward(self, ends: Tensor, dropout: float) -> Tensor:
        """(B, 1), the output after the window that ends with each of these rows."""
        h, _ = self._rnn(self._rows[ends + self._steps])
        o: Tensor = self._output(F.dropout(h[-1], dropout))
        return o

    def _update(self) -> None:
        ends = self._ends[torch.randint(len(self._ends), (BATCH,))]
        self._adam.zero_grad(set_to_none=True)
        F.l1_loss(self._forward(ends, self._dropout), self._targets[ends]).backward()
        nn.utils.clip_grad_norm_(self._learnt, self._clip)
        self._adam.step()

    def close(self) -> None:
        """Nothing runs on."""
