"""Sampling symbol by symbol from an LSTM, one stream: gpurnn's generator against a plain PyTorch loop."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from bench_lib import inputs
from bench_lib.cases import Case

_WARM = 100
_BLOCK = 20  # symbols between two looks at the clock


def sample(program: str, hidden: int, symbols: int, seconds: float) -> dict[str, Any]:
    """Symbols a second in each way, and MiB by which the peak of the resident memory grew meanwhile.

    program: a module of `bench_lib.programs`. seconds: of drawing in each way.
    """
    streams = {"ours": _ours, "torch_peer": _torch}[program]
    case = Case("lstm", 1, 1, hidden, symbols)
    rates, growth = {}, 0.0
    for way, stream in streams(case).items():
        drawn = stream()
        _draw(drawn, _WARM)
        before, start, count = _peak_mib(), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            _draw(drawn, _BLOCK)
            count += _BLOCK
        rates[way] = count / (time.perf_counter() - start)
        growth = max(growth, _peak_mib() - before)
    return {"symbols_per_second": rates, "growth": growth}


def _draw(stream: Iterator[Any], length: int) -> None:
    drawn = sum(1 for _ in islice(stream, length))
    assert drawn == length, f"the stream ended after {drawn} symbols"


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _ours(case: Case) -> dict[str, Callable[[], Iterator[Any]]]:
    import numpy as np

    from gpurnn import backend
    from gpurnn.data.text.language import Language
    from gpurnn.data.text.tokens import TextPolicy, Vocabulary
    from gpurnn.generation.generate import generate
    from gpurnn.network import Model, ModelConfig

    be = backend.get("cpu")
    model = Model(be, ModelConfig(symbols=case.symbols, cell="lstm", hidden=case.hidden, dropout=0.0))
    model.params.load(be, inputs.parameters(case), "benchmark")
    vocabulary = Vocabulary("chars", [chr(ord("!") + i) for i in range(case.symbols)])
    language = Language(vocabulary, TextPolicy(), np.array([0]), np.array([1]))
    return {"": lambda: generate(model, language, "!", seed=1)}


def _torch(case: Case) -> dict[str, Callable[[], Iterator[Any]]]:
    import torch
    from torch import nn

    lstm, output = nn.LSTM(case.symbols, case.hidden), nn.Linear(case.hidden, case.symbols)
    cell = nn.LSTMCell(case.symbols, case.hidden)
    hot = torch.eye(case.symbols)

    def draw(o: torch.Tensor) -> int:
        return int(torch.multinomial(torch.softmax(o, 0), 1).item())

    @torch.no_grad()
    def with_module() -> Iterator[int]:
        h = c = torch.zeros((1, 1, case.hidden))
        symbol = 0
        while True:
            x, (h, c) = lstm(hot[symbol].view(1, 1, -1), (h, c))
            symbol = draw(output(x[0, 0]))
            yield symbol

    @torch.no_grad()
    def with_cell() -> Iterator[int]:
        h = c = torch.zeros((1, case.hidden))
        symbol = 0
        while True:
            h, c = cell(hot[symbol].view(1, -1), (h, c))
            symbol = draw(output(h[0]))
            yield symbol

    return {"nn.LSTM": with_module, "nn.LSTMCell": with_cell}
