"""All numbers of a run by name, and the formula of each: what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gpurnn.diagnosis.explain.cells import OF_CELLS, At
from gpurnn.diagnosis.explain.formulas import PLACES, evaluated, look_up, names_in, places_for, total
from gpurnn.diagnosis.explain.play import Played
from gpurnn.diagnosis.explain.story import RATE

Nested = Any
"""A number or text, or lists of such lists."""


class Sheet:
    """values, formulas: by key, in nested lists of the same shape: by step, or by window, then by element.

    Keys: those of `Played.steps`, but gates that the cell keeps together by their own: a_i, da_i, ...; y (K,), nats;
    theta_W and the like of each window and of the one after the last, grad_W of each step (of U the row of its symbol),
    sum_W of each window, loss, and cut_h of each window, the error that it would send to the window before it.
    A formula is "" where a number was given.
    """

    def __init__(self, played: Played) -> None:
        self.values: dict[str, list[Nested]] = {}
        self.formulas: dict[str, list[Nested]] = {}
        self._played, self._story = played, played.story
        self._cell, self._hidden = OF_CELLS[played.story.cell], played.story.hidden
        windows = [w for w, (begin, end) in enumerate(pairwise(played.begins)) for _ in range(begin, end)]
        self._at = [At(t, w, played.story.tokens[t], self._hidden, played.carry[t] == 1) for t, w in enumerate(windows)]
        self._parameters()
        for at in self._at:
            self._forward(at)
        for at in self._at:
            self._backward(at)
            self._gradients(at)
        for w, (begin, end) in enumerate(pairwise(played.begins)):
            self._sums(w, range(begin, end))

    @property
    def places(self) -> dict[str, int]:
        """How many decimals the numbers of a formula need, by the name of what it gives: where `PLACES` are too few."""
        needed = (
            (name, places_for(formula, self.values, look_up(self.values, name)))
            for name, formula in names_in(self.formulas)
        )
        return {name: places for name, places in needed if places > PLACES}

    def _put(self, key: str, values: Nested, formulas: Nested) -> None:
        """Of the next step or window."""
        self.values.setdefault(key, []).append(np.asarray(values).tolist())
        self.formulas.setdefault(key, []).append(formulas)

    def _units(self, formulas: Callable[[int], dict[str, str]]) -> dict[str, list[str]]:
        """Formulas of each unit, by key."""
        by_unit = [formulas(j) for j in range(self._hidden)]
        return {key: [of[key] for of in by_unit] for key in by_unit[0]}

    def _forward(self, at: At) -> None:
        steps, K, t = self._played.steps, range(len(self._story.symbols)), at.t
        for key, formulas in self._units(lambda j: self._cell.forward(at, j)).items():
            # the library does not keep a as it is before the gates
            kept = steps[key][t] if key in steps else [self._evaluated(formula) for formula in formulas]
            self._put(key, kept, formulas)
        o = [
            total([at.theta("c", k), *(f"{at('h', j)} × {at.theta('V', j, k)}" for j in range(self._hidden))])
            for k in K
        ]
        self._put("logits", steps["logits"][t], o)
        exps = [f"exp({at('logits', k)})" for k in K]
        y = [f"{each} ÷ ({total(exps)})" for each in exps]
        self._put("y", [self._evaluated(formula) for formula in y], y)
        self._put("nats", steps["nats"][t], f"−ln({at('y', self._story.tokens[t + 1])})")

    def _evaluated(self, formula: str) -> float:
        return evaluated(formula, lambda name: repr(look_up(self.values, name)))

    def _backward(self, at: At) -> None:
        steps, t, target = self._played.steps, at.t, self._story.tokens[at.t + 1]
        K, units = range(len(self._story.symbols)), range(self._hidden)
        counted = f"{self._counted(at.w):g}"
        do = [f"({at('y', k)} − 1) ÷ {counted}" if k == target else f"{at('y', k)} ÷ {counted}" for k in K]
        self._put("do", steps["do"][t], do if self._played.weight[t] else ["0" for _ in K])
        above = [total(f"{at('do', k)} × {at.theta('V', j, k)}" for k in K) for j in units]
        self._put("dh_out", steps["dh_out"][t], above)
        self._put("dh_next", steps["dh_next"][t], [self._next(at, j) for j in units])
        self._put("dh", steps["dh"][t], [f"{at('dh_out', j)} + {at('dh_next', j)}" for j in units])
        if "dc_next" in steps:
            passed = [f"{at.after('dc', j)} × {at.after('f', j)}" if self._reached(at) else "0" for j in units]
            self._put("dc_next", steps["dc_next"][t], passed)
        blocks = dict(
            zip(
                (f"da{gate}" for gate in self._cell.gates), np.split(steps["da"][t], len(self._cell.gates)), strict=True
            )
        )
        if "da_rec" in steps:
            blocks["dq"] = steps["da_rec"][t][-self._hidden :]
        for key, formulas in self._units(lambda j: self._cell.backward(at, j)).items():
            self._put(key, blocks[key] if key in blocks else steps[key][t], formulas)

    def _counted(self, w: int) -> float:
        """How many targets of a window count."""
        begin, end = self._played.begins[w : w + 2]
        return sum(self._played.weight[begin:end])

    def _reached(self, at: At) -> bool:
        """Whether an error of the step after comes back to this one."""
        return at.t + 1 not in self._played.begins and self._at[at.t + 1].sees

    def _next(self, at: At, j: int) -> str:
        """The error of h(t) that the step after sends back."""
        return self._sent_back(at, self._at[at.t + 1].w, j) if self._reached(at) else "0"

    def _sent_back(self, at: At, w: int, j: int) -> str:
        """What the step after `at`, of window w, sends back, whether or not a seam cuts it."""
        terms = [
            f"{at.after(key, unit)} × {{theta_W.{w}.{j}.{block * self._hidden + unit}}}"
            for block, key in enumerate(self._cell.recurrent)
            for unit in range(self._hidden)
        ]
        return total(terms + ([self._cell.past(at, j)] if self._cell.past else []))

    def _gradients(self, at: At) -> None:
        grads, H = self._played.steps, range(self._hidden)
        da = [at(f"da{gate}", j) for gate in self._cell.gates for j in H]
        da_rec = [at(key, j) for key in self._cell.recurrent for j in H]
        self._put("grad_U", grads["grad.U"][at.t][at.x], da)
        self._put("grad_W", grads["grad.W"][at.t], [[f"{at.seen('h', i)} × {each}" for each in da_rec] for i in H])
        self._put("grad_b", grads["grad.b"][at.t], da)
        if "grad.b_h" in grads:
            self._put("grad_b_h", grads["grad.b_h"][at.t], da_rec[-self._hidden :])
        K = range(len(self._story.symbols))
        self._put("grad_V", grads["grad.V"][at.t], [[f"{at('h', j)} × {at('do', k)}" for k in K] for j in H])
        self._put("grad_c", grads["grad.c"][at.t], [at("do", k) for k in K])

    def _sums(self, w: int, steps: range) -> None:
        played = self._played
        for name, windows in played.gradients.items():
            if name == "U":
                rows = ([t for t in steps if self._at[t].x == k] for k in range(len(self._story.symbols)))
                formulas = [
                    [total(f"{{grad_U.{t}.{j}}}" for t in row) for j in range(windows[w].shape[1])] for row in rows
                ]
            else:
                formulas = _each(windows[w].shape, total(f"{{grad_{name}.{t}.@}}" for t in steps))
            self._put(f"sum_{name}", windows[w], formulas)
        nats = [f"{{nats.{t}}}" for t in steps if played.weight[t]]
        self._put("loss", played.losses[w], f"({total(nats)}) ÷ {len(nats)}" if nats else "0")
        first = self._at[steps.start]
        before = At(steps.start - 1, w, 0, self._hidden, True)
        units = range(self._hidden)
        sent = [self._sent_back(before, w, j) if first.sees else "0" for j in units]
        self._put("cut_h", played.cut["h"][w], sent)
        if "c" in played.cut:
            passed = [f"{before.after('dc', j)} × {before.after('f', j)}" if first.sees else "0" for j in units]
            self._put("cut_c", played.cut["c"][w], passed)

    def _parameters(self) -> None:
        for name, windows in self._played.theta.items():
            for w, theta in enumerate(windows):
                before = f"{name}.{w - 1}."
                renewed = f"{{theta_{before}@}} − {RATE:g} × {{sum_{before}@}}"
                given = w == 0 or np.array_equal(theta, windows[w - 1])
                self._put(f"theta_{name}", theta, _each(theta.shape, "" if given else renewed))


def _each(shape: tuple[int, ...], formula: str, place: str = "") -> Nested:
    """A formula of each element: its indices, with points between them, in place of @."""
    if not shape:
        return formula.replace("@", place)
    return [_each(shape[1:], formula, f"{place}.{index}" if place else str(index)) for index in range(shape[0])]
