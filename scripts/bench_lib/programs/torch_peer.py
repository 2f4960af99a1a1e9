"""PyTorch, in each of the ways in which it computes this model; the worker takes the fastest at each size.

- "one-hot": one-hot rows into `nn.RNN`, `nn.LSTM` or `nn.GRU`. The input projection is a product with K rows.
- "rows": rows of U gathered by `F.embedding` into the same module, whose own input weight is the identity and not
  learnt: the module insists on that product, but with GH rows instead of K.
- "loop": rows of U gathered, and the steps written out with autograd; no input product at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_lib import inputs
from bench_lib.cases import BETA1, BETA2, CLIP, EPSILON, RATE, Case
from bench_lib.products import Multiply

WAYS = ("one-hot", "rows", "loop")

_MODULES: dict[str, type[nn.RNNBase]] = {"simple": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}

State = Any


def versions() -> str:
    """The library, for people."""
    return f"torch {torch.__version__}, CPU capability {torch.backends.cpu.get_cpu_capability()}"


def product(a: np.ndarray, b: np.ndarray) -> Multiply:
    """See `bench_lib.products.square_product`."""
    return partial(torch.mm, torch.from_numpy(a), torch.from_numpy(b), out=torch.empty(a.shape))


class Program:
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: Case, way: str, device: str = "cpu", factors: torch.dtype = torch.float32) -> None:
        """device: of PyTorch's; on "cuda" each window comes from pinned memory, as in training.

        factors: of products, rounded by autocast where that is not float32.
        """
        self._device, self._factors = torch.device(device), factors
        with self._device:
            self._make(case, way)

    def _make(self, case: Case, way: str) -> None:
        values = {name: torch.from_numpy(v).to(self._device) for name, v in inputs.parameters(case).items()}
        self._body = LoopBody(case, values) if way == "loop" else ModuleBody(case, way, values)
        self._V = nn.Parameter(values["output.V"].T.contiguous())  # (K, H), as nn.Linear holds it
        self._c = nn.Parameter(values["output.c"])
        self._learnt = [p for p in self._body.parameters() if p.requires_grad] + [self._V, self._c]
        # fused: one pass over the parameters; foreach took 2.5 to 4 times as long.
        self._adam = torch.optim.Adam(self._learnt, RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=True)
        pool = [(torch.from_numpy(t), torch.from_numpy(u).reshape(-1)) for t, u in inputs.windows(case)]
        pinned = self._device.type == "cuda"
        self._pool = [(t.pin_memory(), u.pin_memory()) for t, u in pool] if pinned else pool
        self._windows = cycle(self._pool)
        self._state = self._body.initial_state()
        self._loss = torch.zeros(())

    def window(self) -> None:
        self._adam.zero_grad(set_to_none=True)
        self._state = self._forward_backward(*next(self._windows))
        nn.utils.clip_grad_norm_(self._learnt, CLIP)
        self._adam.step()

    def _forward_backward(self, tokens: Tensor, targets: Tensor) -> State:
        tokens, targets = (host.to(self._device, non_blocking=True) for host in (tokens, targets))
        with self._autocast():
            h, state = self._body(tokens, self._state)
            o = F.linear(h.reshape(len(targets), -1), self._V, self._c)
            loss = F.cross_entropy(o, targets)
        loss.backward()
        self._body.after_backward()
        self._loss = loss.detach()
        return state

    def _autocast(self) -> AbstractContextManager[None]:
        rounded = self._factors != torch.float32
        return torch.autocast(self._device.type, self._factors) if rounded else nullcontext()

    def read_loss(self) -> float:
        return self._loss.item()

    def finish(self) -> None:
        """Nothing runs on after a call on the CPU."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def gradients(self) -> dict[str, np.ndarray]:
        self._forward_backward(*self._pool[0])
        found = self._body.gradients() | {"output.V": _grad(self._V).T, "output.c": _grad(self._c)}
        self._adam.zero_grad(set_to_none=True)
        return {name: value.cpu().numpy().copy() for name, value in found.items()}


class ModuleBody(nn.Module):
    """`nn.RNN`, `nn.LSTM` or `nn.GRU`, with one-hot rows or with gathered rows of U."""

    def __init__(self, case: Case, way: str, values: dict[str, Tensor]) -> None:
        super().__init__()
        self._case = case
        width = case.symbols if way == "one-hot" else case.columns
        self.rnn = _MODULES[case.cell](width, case.hidden, case.layers)
        with torch.no_grad():
            for layer in range(case.layers):
                self._load(layer, {n: values[f"layers.{layer}.{n}"] for n in _names(case)}, way)
        self.U = nn.Parameter(values["layers.0.U"]) if way == "rows" else None
        self._hot = torch.zeros((case.tokens, case.symbols)) if way == "one-hot" else None
        self._was: Tensor | None = None

    def _load(self, layer: int, values: dict[str, Tensor], way: str) -> None:
        """gpurnn's layout into PyTorch's. Of the two biases one is held at zero, but for that of GRU's n."""
        case, rnn = self._case, self.rnn
        weight, other_bias = getattr(rnn, f"weight_ih_l{layer}"), getattr(rnn, f"bias_hh_l{layer}")
        if layer == 0 and way == "rows":
            weight.copy_(torch.eye(case.columns))
            weight.requires_grad_(False)
        else:
            weight.copy_(values["U"].T)
        getattr(rnn, f"weight_hh_l{layer}").copy_(values["W"].T)
        getattr(rnn, f"bias_ih_l{layer}").copy_(values["b"])
        other_bias.zero_()
        if case.cell == "gru":
            other_bias[2 * case.hidden :] = values["b_h"]
        else:
            other_bias.requires_grad_(False)

    def initial_state(self) -> State:
        """Zeros."""
        case = self._case
        zeros = torch.zeros((case.layers, case.lanes, case.hidden))
        return (zeros, zeros.clone()) if case.cell == "lstm" else zeros

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """h of every step, (T, B, H), and the state to carry on."""
        h, state = self.rnn(self._input(tokens), state)
        return h, tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()

    def _input(self, tokens: Tensor) -> Tensor:
        if self.U is not None:
            return F.embedding(tokens, self.U)
        assert self._hot is not None
        if self._was is not None:
            self._hot.scatter_(1, self._was, 0.0)
        self._was = tokens.reshape(-1, 1)
        self._hot.scatter_(1, self._was, 1.0)
        return self._hot[: len(self._was)].view(*tokens.shape, -1)

    def after_backward(self) -> None:
        """The parts of the second bias that are held at zero."""
        if self._case.cell == "gru":
            for layer in range(self._case.layers):
                _grad(getattr(self.rnn, f"bias_hh_l{layer}"))[: 2 * self._case.hidden].zero_()

    def gradients(self) -> dict[str, Tensor]:
        """By gpurnn's names, in its layouts."""
        found = {}
        for layer in range(self._case.layers):
            name = f"layers.{layer}."
            weight = getattr(self.rnn, f"weight_ih_l{layer}")
            found[name + "U"] = _grad(weight).T if weight.requires_grad else _grad(self.U)
            found[name + "W"] = _grad(getattr(self.rnn, f"weight_hh_l{layer}")).T
            found[name + "b"] = _grad(getattr(self.rnn, f"bias_ih_l{layer}"))
            if self._case.cell == "gru":
                found[name + "b_h"] = _grad(getattr(self.rnn, f"bias_hh_l{layer}"))[2 * self._case.hidden :]
        return found


class LoopBody(nn.Module):
    """The steps written out; autograd goes back through them."""

    def __init__(self, case: Case, values: dict[str, Tensor]) -> None:
        super().__init__()
        self._case = case
        self._theta = nn.ParameterDict(
            {f"{layer}{n}": values[f"layers.{layer}.{n}"] for layer in range(case.layers) for n in _names(case)}
        )
        self._cell = _CELLS[case.cell]

    def initial_state(self) -> State:
        """Zeros, by layer."""
        case = self._case
        states = 2 if case.cell == "lstm" else 1
        return [tuple(torch.zeros((case.lanes, case.hidden)) for _ in range(states)) for _ in range(case.layers)]

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """h of every step, (T, B, H), and the state to carry on."""
        x: Tensor | None = None
        carried = []
        for layer in range(self._case.layers):
            theta = {n: self._theta[f"{layer}{n}"] for n in _names(self._case)}
            xU = (F.embedding(tokens, theta["U"]) if x is None else x @ theta["U"]) + theta["b"]
            x, last = self._cell(xU, state[layer], theta)
            carried.append(tuple(s.detach() for s in last))
        assert x is not None
        return x, carried

    def after_backward(self) -> None:
        """Nothing."""

    def gradients(self) -> dict[str, Tensor]:
        """By gpurnn's names; the layouts are the same."""
        return {f"layers.{key[0]}.{key[1:]}": _grad(p) for key, p in self._theta.items()}


def _simple(xU: Tensor, state: State, theta: dict[str, Tensor]) -> tuple[Tensor, State]:
    (h,), hs = state, []
    for a in xU.unbind():
        h = torch.tanh(torch.addmm(a, h, theta["W"]))
        hs.append(h)
    return torch.stack(hs), (h,)


def _lstm(xU: Tensor, state: State, theta: dict[str, Tensor]) -> tuple[Tensor, State]:
    (h, c), hs = state, []
    for a in xU.unbind():
        i, f, g, o = torch.addmm(a, h, theta["W"]).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hs.append(h)
    return torch.stack(hs), (h, c)


def _gru(xU: Tensor, state: State, theta: dict[str, Tensor]) -> tuple[Tensor, State]:
    (h,), hs = state, []
    hidden = h.shape[1]
    for a in xU.unbind():
        recurrent = h @ theta["W"]
        r, z = torch.sigmoid(a[:, : 2 * hidden] + recurrent[:, : 2 * hidden]).chunk(2, 1)
        n = torch.tanh(a[:, 2 * hidden :] + r * (recurrent[:, 2 * hidden :] + theta["b_h"]))
        h = torch.lerp(n, h, z)
        hs.append(h)
    return torch.stack(hs), (h,)


_CELLS: dict[str, Callable[..., tuple[Tensor, State]]] = {"simple": _simple, "lstm": _lstm, "gru": _gru}


def _names(case: Case) -> tuple[str, ...]:
    return ("U", "W", "b", "b_h") if case.cell == "gru" else ("U", "W", "b")


def _grad(parameter: Tensor | None) -> Tensor:
    assert parameter is not None and parameter.grad is not None
    return parameter.grad
