"""PyTorch on pairs: those of a window as one batch, through its modules.

- "packed": sources and targets as packed sequences.
- "padded": as padded batches what can be: targets, and sources that are read in one direction alone. What is padded
  goes into neither starts nor outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence

from bench_lib import torch_layers
from bench_lib.cases import BETA1, BETA2, CLIP, EPSILON, RATE
from bench_lib.pairs import PairCase, pool_of, sequences, stream_of
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window

WAYS = ("packed", "padded")


@dataclass(frozen=True)
class Batch:
    """The symbols of a window's pairs. last: rows of padded sources, step by step, at which each ends.

    read: what the decoder reads; inside: rows of it, padded, that are of a target; targets: of these, or as packed.
    """

    source: PackedSequence | Tensor
    last: Tensor
    read: PackedSequence | Tensor
    inside: Tensor
    targets: Tensor


class Program:
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: PairCase, path: Path, way: str) -> None:
        self._case = case
        with Corpus.open(path) as corpus:
            windows = pool_of(stream_of(corpus, plan=False))
        self._pool = [_batch(window, way == "padded" and not case.both, way == "padded") for window in windows]
        self._batches = cycle(self._pool)
        self._make({name: torch.from_numpy(value) for name, value in case.parameters().items()})
        self._adam = torch.optim.Adam(self._learnt, RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=True)
        self._loss = torch.zeros(())

    def _make(self, values: dict[str, Tensor]) -> None:
        case, module = self._case, torch_layers.MODULES[self._case.cell]
        self._encoder = module(case.embedding, case.hidden, bidirectional=case.both)
        self._decoder = module(case.embedding, case.hidden)
        with torch.no_grad():
            for rnn, reverse, name in self._layers():
                torch_layers.load(rnn, 0, reverse, values, name)
        rest = [name for name in values if not name.startswith(tuple(name for _, _, name in self._layers()))]
        starts = [name for name in values if ".start." in name]
        self._others = {name: nn.Parameter(values[name]) for name in dict.fromkeys([*rest, *starts])}
        self._states = [name.removesuffix(".P") for name in starts if name.endswith(".P")]
        self._learnt = [*self._encoder.parameters(), *self._decoder.parameters(), *self._others.values()]

    def _layers(self) -> list[tuple[nn.RNNBase, bool, str]]:
        """Each direction of the modules, and what gpurnn's parameters of it have in front."""
        ours = [(self._encoder, False, "encoder.layers.0."), (self._decoder, False, "layers.0.")]
        return ours + ([(self._encoder, True, "encoder.layers.0.reverse.")] if self._case.both else [])

    def window(self) -> None:
        self._adam.zero_grad(set_to_none=True)
        self._forward_backward(next(self._batches))
        nn.utils.clip_grad_norm_(self._learnt, CLIP)
        self._adam.step()

    def _forward_backward(self, batch: Batch) -> None:
        x = self._encoded(batch)
        of, rows = self._others, _embedded(batch.read, self._others["embedding.table"])
        starts = [torch.tanh(torch.addmm(of[f"{name}.b"], x, of[f"{name}.P"]))[None] for name in self._states]
        h: Any = self._decoder(rows, tuple(starts) if len(starts) > 1 else starts[0])[0]
        made = h.data if isinstance(h, PackedSequence) else h.flatten(0, 1)[batch.inside]
        loss = F.cross_entropy(torch.addmm(of["output.c"], made, of["output.V"]), batch.targets)
        loss.backward()
        for rnn in (self._encoder, self._decoder):
            torch_layers.hold(rnn)
        self._loss = loss.detach()

    def _encoded(self, batch: Batch) -> Tensor:
        """What each source ends with, (N, width)."""
        h, last = self._encoder(_embedded(batch.source, self._others["encoder.embedding.table"]))
        if not isinstance(h, PackedSequence):
            ends: Tensor = h.flatten(0, 1)[batch.last]
            return ends
        return torch.cat(list(last[0] if self._case.cell == "lstm" else last), 1)

    def read_loss(self) -> float:
        return self._loss.item()

    def finish(self) -> None:
        """Nothing runs on after a call on the CPU."""

    def gradients(self) -> dict[str, np.ndarray]:
        self._forward_backward(self._pool[0])
        found = {name: value.grad for name, value in self._others.items()}
        for rnn, reverse, name in self._layers():
            found |= torch_layers.gradients(rnn, 0, reverse, name)
        self._adam.zero_grad(set_to_none=True)
        return {name: value.numpy().copy() for name, value in found.items() if value is not None}


def _batch(window: Window, pad_sources: bool, pad_targets: bool) -> Batch:
    """Sorted by the length of the source, so that packing need not sort."""
    found = sorted(sequences(window), key=lambda pair: -len(pair[0]))
    sources, read, targets = ([torch.from_numpy(each) for each in side] for side in zip(*found, strict=True))
    last = (torch.tensor([len(each) for each in sources]) - 1) * len(found) + torch.arange(len(found))
    wanted = pad_sequence(targets, padding_value=-1).flatten()
    inside = torch.nonzero(wanted >= 0).flatten()
    return Batch(
        pad_sequence(sources) if pad_sources else pack_sequence(sources),
        last,
        pad_sequence(read) if pad_targets else pack_sequence(read, enforce_sorted=False),
        inside,
        wanted[inside] if pad_targets else pack_sequence(targets, enforce_sorted=False).data,
    )


def _embedded(symbols: PackedSequence | Tensor, table: Tensor) -> Any:
    """Rows of a table, packed or padded as the symbols are."""
    if isinstance(symbols, PackedSequence):
        return symbols._replace(data=F.embedding(symbols.data, table))
    return F.embedding(symbols, table)
