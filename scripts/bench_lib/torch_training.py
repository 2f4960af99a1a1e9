"""The training of `gpurnn train` for an LSTM of one layer, written in PyTorch.

It begins with the same parameters, reads the same windows of the same stream, and has the same optimizer, clipping,
averaging, schedule, restarts of lanes, validations and choice of the best parameters, though it looks for no lanes that
are stuck. Its dropout masks are PyTorch's own. It writes no
checkpoints.
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from bench_lib.cases import Case
from bench_lib.programs.torch_peer import ModuleBody
from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window, WindowStream
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.schedule import learning_rate

_EVALUATION_STEPS = 256


class Training:
    """corpus: open; each split one document, for the module cannot forget in the middle of a window."""

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        self._corpus, self._config, model = corpus, config, config.model
        torch.manual_seed(config.seed)
        be = backend.get("cpu")
        start = Model(be, model)
        start.params.initialise(be, config.seed)
        values = {name: torch.from_numpy(be.to_host(value)) for name, value in start.params.value.items()}
        body = ModuleBody(Case("lstm", config.lanes, config.bptt, model.hidden, model.symbols), "one-hot", values)
        output = nn.Linear(model.hidden, model.symbols)
        with torch.no_grad():
            output.weight.copy_(values["output.V"].T)
            output.bias.copy_(values["output.c"])
        self._both = nn.ModuleList([body, output])
        self._averaged = AveragedModel(self._both, multi_avg_fn=self._average)
        self._learnt = [p for p in self._both.parameters() if p.requires_grad]
        adam = config.optimizer
        matrices, rest = ([p for p in self._learnt if (p.ndim > 1) == decayed] for decayed in (True, False))
        groups = [{"params": matrices, "weight_decay": adam.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self._adam = torch.optim.AdamW(groups, betas=(adam.beta1, adam.beta2), eps=adam.epsilon, fused=True)
        self.windows = self._stale = self._plateaus = 0
        self._lowest = math.inf
        self._best = self._averaged.module.state_dict()

    def _average(self, averaged: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        torch._foreach_lerp_(averaged, current, 1 / (1 + self._config.optimizer.average * updates.item()))

    def run(self, minutes: float) -> None:
        """Train so long, then take the parameters of the best validation."""
        config, end = self._config, time.monotonic() + 60 * minutes
        state = self._zeros(config.lanes)
        of_run = {"lanes": config.lanes, "steps": config.bptt, "restart": config.restart, "seed": config.seed}
        with closing(WindowStream(self._corpus, "train", **of_run, plan=False)) as stream:
            for window in stream:
                loss, state = self._train(window, state)
                if self.windows % config.log_every == 0 and not math.isfinite(loss.item()):
                    raise RuntimeError(f"window {self.windows}: the loss is not finite")
                if self.windows % config.validate_every == 0:
                    self._validate()
                if time.monotonic() >= end:
                    break
        self._averaged.module.load_state_dict(self._best)

    def evaluate(self) -> float:
        """Nats of the mean target of the valid split, read in one stretch."""
        return self._mean_loss(lanes=1, steps=_EVALUATION_STEPS, windows=None)

    def _train(self, window: Window, state: Any) -> tuple[Tensor, Any]:
        """One window; returns its mean loss and the state after it."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self._config.schedule, self.windows, self._plateaus)
        self._adam.zero_grad(set_to_none=True)
        losses, state = self._losses(self._both, window, state)
        loss = losses.mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self._learnt, self._config.optimizer.clip)
        self._adam.step()
        self._averaged.update_parameters(self._both)
        self.windows += 1
        return loss.detach(), state

    def _validate(self) -> None:
        loss = self._mean_loss(self._config.lanes, self._config.bptt, self._config.validate_windows)
        if loss < self._lowest:
            self._lowest, self._stale = loss, 0
            self._best = {name: value.clone() for name, value in self._averaged.module.state_dict().items()}
            return
        self._stale += 1
        self._plateaus += self._stale % self._config.schedule.decay_patience == 0

    @torch.no_grad()
    def _mean_loss(self, lanes: int, steps: int, windows: int | None) -> float:
        """Of the averaged parameters over the first windows of the valid split, None: over all of it."""
        state, nats, weight = self._zeros(lanes), 0.0, 0.0
        whole = windows is None
        with closing(
            WindowStream(self._corpus, "valid", lanes=lanes, steps=steps, epochs=1, plan=False, tail=whole)
        ) as stream:
            for window in islice(stream, windows):
                losses, state = self._losses(self._averaged.module, window, state)
                nats += float((losses * torch.from_numpy(window.weight).reshape(-1)).sum(dtype=torch.float64))
                weight += window.weight_sum
        return nats / weight

    def _losses(self, both: nn.Module, window: Window, state: Any) -> tuple[Tensor, Any]:
        """Nats of each target of a window, (T*B,), and the state after it."""
        body, output = both
        carry = torch.from_numpy(window.carry[0])[None, :, None]
        tokens, targets = (torch.from_numpy(a.astype(np.int64)) for a in (window.tokens, window.targets))
        h, state = body(tokens, tuple(s * carry for s in state))
        h = F.dropout(h, self._config.model.dropout, training=torch.is_grad_enabled())
        return F.cross_entropy(output(h).flatten(0, 1), targets.reshape(-1), reduction="none"), state

    def _zeros(self, lanes: int) -> Any:
        zeros = torch.zeros((1, lanes, self._config.model.hidden))
        return zeros, zeros
