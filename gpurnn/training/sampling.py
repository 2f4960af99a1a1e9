"""Scheduled sampling: in training, too, some steps read the symbol that the model itself would go on with.

A window is computed twice: from the true symbols, and then from a mixture of these and the likeliest symbols of the
first pass. The errors and gradients are those of the second pass; none goes through the choice. Which steps read their
own symbol follows from seed and window alone. Source: Bengio et al. 2015; in two passes: Mihaylova & Martins 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.network import Workspace

_SOURCE = Path(__file__).with_name("sampling.cu")
_LAYER = 2**63
"""The key of its draws: no dropout has such a number."""


def own_symbols(xp: Any, tokens: Array, o: Array, carry: Array, kept: Array, largest: Array, own: Array) -> None:
    """tokens: (N,), overwritten where carry is 1 and kept is 0 with where o (N, K) is largest, first of equal ones.

    o, carry, kept: read only; the last two (N,). The rest: scratch.
    """
    n = len(tokens)
    xp.argmax(o, axis=1, out=largest[:n])
    xp.equal(kept, 0, out=own[:n])
    xp.logical_and(own[:n], carry, out=own[:n])
    xp.copyto(tokens, largest[:n], where=own[:n])


def sort_symbols(xp: Any, index: Array, order: Array, begins: Array, keys: Array, places: Array) -> None:
    """order: (N,), overwritten with the places in index (N,), sorted by what stands there, then by place.

    begins: (N,), overwritten: 1 at each place of the order where another number begins, else 0. index: read only. The
    rest: scratch.
    """
    n = len(index)
    keys, places = keys[:n], places[:n]
    xp.multiply(index, n, out=keys)
    xp.add(keys, places, out=keys)
    keys.sort()  # all differ
    xp.remainder(keys, n, out=order)
    xp.floor_divide(keys, n, out=keys)
    begins[0] = 1
    xp.not_equal(keys[1:], keys[:-1], out=begins[1:], casting="unsafe")


def find_runs(xp: Any, index: Array, order: Array, begins: Array, starts: Array, rows: Array, runs: Array) -> None:
    """starts, rows: (N,), overwritten as far as there are runs; runs: (1,), how many. The others: read only."""
    run = 0
    for place in range(len(order)):
        if begins[place]:
            starts[run], rows[run] = place, index[order[place]]
            run += 1
    runs[0] = run


_SYMBOLS, _PLACES = Argument(("N",), "index", below="K"), Argument(("N",), "index", below="N")
_TO_PLACES, _FLAGS = Argument(("N",), "index", below="N", written=True), Argument(("N",), "index", below="2")
OWN_SYMBOLS = FusedOp(
    "own_symbols",
    {
        "tokens": Argument(("N",), "index", below="K", written=True),
        "o": Argument(("N", "K")),
        "carry": Argument(("N",)),
        "kept": Argument(("N",)),
    },
    own_symbols,
    {"largest": Argument(("N",), "index"), "own": Argument(("N",), "flag")},
    _SOURCE,
)
SORT_SYMBOLS = FusedOp(
    "sort_symbols",
    {"index": _SYMBOLS, "order": _TO_PLACES, "begins": Argument(("N",), "index", below="2", written=True)},
    sort_symbols,
    {"keys": Argument(("N",), "index"), "places": Argument(("N",), "range")},
    _SOURCE,
)
FIND_RUNS = FusedOp(
    "find_runs",
    {
        "index": _SYMBOLS,
        "order": _PLACES,
        "begins": _FLAGS,
        "starts": _TO_PLACES,
        "rows": Argument(("N",), "index", below="K", written=True),
        "runs": Argument(("1",), "index", below="2N", written=True),
    },
    find_runs,
    source=_SOURCE,
)


class OwnSymbols:
    """Puts into the windows of a workspace, after a pass from their true symbols, some that this pass chose instead.

    share: the probability with which a step reads its own symbol; the first steps of sequences, and those of the
    window, never do. seed: of the draws. Raises UsageError where what the model hands on is not what it reads.
    """

    def __init__(self, ws: Workspace, share: float, seed: int) -> None:
        be, batch, tokens = ws.be, ws.batch, {field.name: field for field in ws.batch.fields}.get("tokens")
        symbols = ws.o.shape[1]
        if tokens is None or tokens.below != symbols:
            raise UsageError("scheduled_sampling: expected a model that reads the symbols of which it hands on one")
        rows = ws.lanes * ws.steps
        self._batch, self._o, self._lanes, self._tokens = batch, ws.o, ws.lanes, batch.arrays["tokens"]
        self._carry = batch.carry.reshape(rows)
        self._true = be.empty((rows,), be.index_dtype)
        self._kept = be.zeros((rows,), ws.o.dtype)  # for a share of 1, which is no chance
        self._draw = be.dropout_mask(seed, _LAYER, share) if share < 1 else None
        self._choose = be.bind(OWN_SYMBOLS, ws.o.dtype, N=rows, K=symbols)
        self._plan = batch.plans.get("tokens")
        if self._plan is not None:
            self._begins = be.zeros((rows,), be.index_dtype)
            self._sort, self._find = (be.bind(op, ws.o.dtype, N=rows, K=symbols) for op in (SORT_SYMBOLS, FIND_RUNS))

    def put_in(self) -> None:
        """Mix the window's symbols. `take_out` has to follow before another window."""
        n = self._batch.steps * self._lanes
        tokens = self._tokens[:n]
        self._true[:n] = tokens
        later = n - self._lanes  # a step's own symbol is that of the row of its lane in the step before
        if later:
            if self._draw is not None:
                self._draw(self._kept, self._batch.window)
            rows = slice(self._lanes, n)
            self._choose(tokens[self._lanes :], self._o[:later], self._carry[rows], self._kept[rows])
        if self._plan is not None:
            plan, begins = self._plan, self._begins[:n]
            self._sort(tokens, plan.order[:n], begins)
            self._find(tokens, plan.order[:n], begins, plan.starts[:n], plan.rows[:n], plan.runs)

    def take_out(self) -> None:
        """Put the true symbols back, so that the window could be learnt from once more."""
        n = self._batch.steps * self._lanes
        self._tokens[:n] = self._true[:n]
