"""Attention by a layer of its own: score(t, s) = v . tanh(y(t) W_q + e(s) W_k). Source: Bahdanau, Cho & Bengio 2015."""

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
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Named
from gpurnn.network.signal import Signal


def additive_attention(
    xp: Any,
    c: Array,
    a: Array,
    q: Array,
    key: Array,
    v: Array,
    e: Array,
    pair: Array,
    first: Array,
    last: Array,
    hidden: Array,
) -> None:
    """c: (N, K), a: (N, Q), overwritten. hidden: scratch.

    q: (N, H), key: (BQ, H), e W_k, v: (H,), e: (BQ, K); read only, and the places.
    """
    keys, encoded = (each.reshape(a.shape[1], -1, each.shape[1]) for each in (key, e))
    a.fill(0)
    for row in range(len(c)):
        steps, lane = looks(pair, first, last, keys.shape[1], row)
        scores, u = a[row, steps], hidden[: steps.stop - steps.start]
        xp.add(keys[steps, lane], q[row], out=u)
        xp.tanh(u, out=u)
        xp.matmul(u, v, out=scores)
        softmax(xp, scores)
        xp.matmul(scores, encoded[steps, lane], out=c[row])


def additive_attention_error(
    xp: Any,
    dq: Array,
    dscore: Array,
    de: Array,
    dkey: Array,
    dv: Array,
    dc: Array,
    a: Array,
    q: Array,
    key: Array,
    v: Array,
    e: Array,
    first: Array,
    last: Array,
    begin: Array,
    end: Array,
    there: Array,
    hidden: Array,
    more: Array,
    of_v: Array,
) -> None:
    """dq: (N, H), dscore: (N, Q), overwritten where sequences are. de: (BQ, K), dkey: (BQ, H), added to.

    dv: (C, H), overwritten: each sequence's share of the gradient of v. dc: (N, K), the error of c; a, q, key, v, e: as
    forward; read only, and the places. hidden, more, of_v: scratch.
    """
    lanes = len(e) // a.shape[1]
    keys, d_keys, encoded, d_encoded = (each.reshape(-1, lanes, each.shape[1]) for each in (key, dkey, e, de))
    dv.fill(0)
    for n in range(len(there)):
        if there[n] > 0:
            source, lane = of_source(first, last, lanes, n)
            rows, d_rows, d_key = encoded[source, lane], d_encoded[source, lane], d_keys[source, lane]
            u, sums = hidden[: source.stop - source.start], more[: source.stop - source.start]
            for row in range(int(begin[n]), int(end[n]) + 1, lanes):
                errors, shares = dscore[row, source], a[row, source]
                xp.matmul(rows, dc[row], out=errors)
                xp.subtract(errors, xp.dot(shares, errors), out=errors)
                xp.multiply(errors, shares, out=errors)
                xp.multiply(shares[:, None], dc[row], out=sums)
                xp.add(d_rows, sums, out=d_rows)
                xp.add(keys[source, lane], q[row], out=u)
                xp.tanh(u, out=u)
                xp.matmul(errors, u, out=of_v)
                xp.add(dv[n], of_v, out=dv[n])
                xp.multiply(u, u, out=u)
                xp.subtract(1, u, out=u)
                xp.multiply(u, v, out=u)
                xp.multiply(u, errors[:, None], out=u)
                xp.add(d_key, u, out=d_key)
                xp.sum(u, axis=0, out=dq[row])


def _of(rows: str, columns: str, *, written: bool = False) -> Argument:
    return Argument((rows, columns), written=written)


_READ = {"q": _of("N", "H"), "key": _of("BQ", "H"), "v": Argument(("H",)), "e": _of("BQ", "K")}
ADDITIVE_ATTENTION = FusedOp(
    "additive_attention",
    {"c": _of("N", "K", written=True), "a": _of("N", "Q", written=True), **_READ, **FORWARD},
    additive_attention,
    {"hidden": _of("Q", "H")},
    SOURCE,
)
ADDITIVE_ATTENTION_ERROR = FusedOp(
    "additive_attention_error",
    {
        "dq": _of("N", "H", written=True),
        "dscore": _of("N", "Q", written=True),
        "de": _of("BQ", "K", written=True),
        "dkey": _of("BQ", "H", written=True),
        "dv": _of("C", "H", written=True),
        "dc": _of("N", "K"),
        "a": _of("N", "Q"),
        **_READ,
        **BACKWARD,
    },
    additive_attention_error,
    {"hidden": _of("Q", "H"), "more": _of("Q", "K"), "of_v": Argument(("H",))},
    SOURCE,
    apart="C",
)


class Additive(Attention):
    """W_k: (E, A), v: (A, 1); A is H."""

    kind = "additive"
    forward_op, backward_op = ADDITIVE_ATTENTION, ADDITIVE_ATTENTION_ERROR

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        super().__init__(config, inputs, config.hidden)

    def specs(self) -> list[Spec]:
        name = self.name
        return [
            *super().specs(),
            Spec(f"{name}.W_k", (self.encoded, self.width), self._init, 1, self.encoded),
            Spec(f"{name}.v", (self.width, 1), self._init, 1, self.width),
        ]

    def bind(self, to: Binding, x: Signal) -> AttentionPass:
        return _AdditivePass(self, to, x)


class _AdditivePass(AttentionPass):
    """The keys, e W_k, are worked out once for all steps of a source."""

    def __init__(self, part: Additive, to: Binding, x: Signal) -> None:
        super().__init__(part, to, x)
        value, dims = to.value(part), {**self._dims, "H": part.width}
        self._W_k, self._v = value["W_k"], value["v"].reshape(-1)
        self._key = to.empty(to.source * to.lanes, part.width)
        self._attend = to.be.bind(part.forward_op, to.real, **dims)
        if to.train:
            gradient = to.gradient(part)
            self._dW_k, self._dv, self._ones = gradient["W_k"], gradient["v"], to.of_rows(to.sequences).ones
            self._dkey = to.empty(*self._key.shape)
            self._dv_of_each = to.empty(to.sequences, part.width)
            self._back = to.be.bind(part.backward_op, to.real, **dims)

    def encode(self, batch: Batch) -> None:
        n = batch.source_steps * self._lanes
        self._be.gemm(self._encoded.value[:n], self._W_k, self._key[:n])

    def _look(self, n: int) -> None:
        pair, *source = self._sequences
        read = (self._q[:n], self._key, self._v, self._encoded.value)
        self._attend(self._c[:n], self.weights[:n], *read, pair[:n], *source)

    def _look_back(self, n: int, batch: Batch) -> None:
        m, encoded = batch.source_steps * self._lanes, self._encoded
        self._back_over(n, self._dq, self._dscore, encoded.error, *self._places)
        self._sum(m, self._dW_k, self._dv)
        assert encoded.error is not None
        self._be.gemm(self._dkey[:m], self._W_k.T, encoded.error[:m], accumulate=True)

    def _back_over(self, n: int, dq: Array, dscore: Array, de: Any, *places: Array) -> None:
        """`_dkey` and `_dv_of_each`: overwritten."""
        self._dkey.fill(0)
        read = (self._output.dc[:n], self.weights[:n], self._q[:n], self._key, self._v, self._encoded.value)
        self._back(dq[:n], dscore[:n], de, self._dkey, self._dv_of_each, *read, *places)

    def _sum(self, m: int, dW_k: Array, dv: Array) -> None:
        self._be.gemm(self._encoded.value[:m].T, self._dkey[:m], dW_k)
        self._be.gemm(self._ones, self._dv_of_each, dv.reshape(1, -1))

    def _gradients_of(self, begin: Array, there: Array, gradient: Named) -> None:
        """As backward, over those rows alone."""
        n, real, zeros = self._batch.steps * self._lanes, self._q.dtype, self._be.zeros
        first, last = self._places[:2]
        spare = [zeros(each.shape, real) for each in (self._dq, self._dscore, self._encoded.value)]
        self._back_over(n, *spare, first, last, begin, begin, there)
        self._sum(self._batch.source_steps * self._lanes, gradient["W_k"], gradient["v"])
