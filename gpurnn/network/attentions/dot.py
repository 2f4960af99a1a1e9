"""Attention by a dot product: score(t, s) = (y(t) W_q) . e(s). Source: Luong, Pham & Manning 2015."""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.attentions.base import (
    BACKWARD,
    FORWARD,
    SOURCE,
    Attention,
    AttentionPass,
    looks,
    of_source,
    softmax,
)
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.part import Binding, Named
from gpurnn.network.signal import Signal


def dot_attention(xp: Any, c: Array, a: Array, q: Array, e: Array, pair: Array, first: Array, last: Array) -> None:
    """c: (N, K), a: (N, Q), overwritten. q: (N, K), e: (BQ, K), read only, and the places."""
    encoded = e.reshape(a.shape[1], -1, e.shape[1])
    a.fill(0)
    for row in range(len(c)):
        steps, lane = looks(pair, first, last, encoded.shape[1], row)
        scores, rows = a[row, steps], encoded[steps, lane]
        xp.matmul(rows, q[row], out=scores)
        softmax(xp, scores)
        xp.matmul(scores, rows, out=c[row])


def dot_attention_error(
    xp: Any,
    dq: Array,
    dscore: Array,
    de: Array,
    dc: Array,
    a: Array,
    q: Array,
    e: Array,
    first: Array,
    last: Array,
    begin: Array,
    end: Array,
    there: Array,
    more: Array,
) -> None:
    """dq: (N, K), dscore: (N, Q), overwritten where sequences are. de: (BQ, K), added to. more: scratch.

    dc: (N, K), the error of c; a, q, e: as forward; read only, and the places.
    """
    lanes = len(e) // a.shape[1]
    encoded, d_encoded = (each.reshape(-1, lanes, e.shape[1]) for each in (e, de))
    for n in range(len(there)):
        if there[n] > 0:
            source, lane = of_source(first, last, lanes, n)
            rows, d_rows, sums = encoded[source, lane], d_encoded[source, lane], more[: source.stop - source.start]
            for row in range(int(begin[n]), int(end[n]) + 1, lanes):
                errors, shares = dscore[row, source], a[row, source]
                xp.matmul(rows, dc[row], out=errors)
                xp.subtract(errors, xp.dot(shares, errors), out=errors)
                xp.multiply(errors, shares, out=errors)
                xp.matmul(errors, rows, out=dq[row])
                for share, of_row, by in ((shares, sums, dc[row]), (errors, sums, q[row])):
                    xp.multiply(share[:, None], by, out=of_row)
                    xp.add(d_rows, of_row, out=d_rows)


_ROWS, _WEIGHTS, _ENCODED = Argument(("N", "K")), Argument(("N", "Q")), Argument(("BQ", "K"))
_TO_ROWS, _TO_WEIGHTS = Argument(("N", "K"), written=True), Argument(("N", "Q"), written=True)
DOT_ATTENTION = FusedOp(
    "dot_attention",
    {"c": _TO_ROWS, "a": _TO_WEIGHTS, "q": _ROWS, "e": _ENCODED, **FORWARD},
    dot_attention,
    source=SOURCE,
)
DOT_ATTENTION_ERROR = FusedOp(
    "dot_attention_error",
    {
        "dq": _TO_ROWS,
        "dscore": _TO_WEIGHTS,
        "de": Argument(("BQ", "K"), written=True),
        "dc": _ROWS,
        "a": _WEIGHTS,
        "q": _ROWS,
        "e": _ENCODED,
        **BACKWARD,
    },
    dot_attention_error,
    {"more": Argument(("Q", "K"))},
    SOURCE,
    apart="C",
)


class Dot(Attention):
    """A is E."""

    kind = "dot"
    forward_op, backward_op = DOT_ATTENTION, DOT_ATTENTION_ERROR

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, config.encoded_width)

    def bind(self, to: Binding, x: Signal) -> AttentionPass:
        return _DotPass(self, to, x)


class _DotPass(AttentionPass):
    def __init__(self, part: Dot, to: Binding, x: Signal) -> None:
        super().__init__(part, to, x)
        self._attend = to.be.bind(part.forward_op, to.real, **self._dims)
        if to.train:
            self._back = to.be.bind(part.backward_op, to.real, **self._dims)

    def _look(self, n: int) -> None:
        pair, *source = self._sequences
        self._attend(self._c[:n], self.weights[:n], self._q[:n], self._encoded.value, pair[:n], *source)

    def _look_back(self, n: int, batch: Batch) -> None:
        read = (self._output.dc[:n], self.weights[:n], self._q[:n], self._encoded.value)
        self._back(self._dq[:n], self._dscore[:n], self._encoded.error, *read, *self._places)

    def _gradients_of(self, begin: Array, there: Array, gradient: Named) -> None:
        """It has none."""
