"""What an attention is: the part above the layers that lets each step see the source of its own sequence.

    score(t, s) = how well y(t) and the source's row e(s) go together, which is what an attention says
    a(t) = softmax of score(t) over the steps of the source
    c(t) = Σ a(t, s) e(s)
    out(t) = tanh([c(t), y(t)] W_o + b)

A step of no sequence sees the first one, if anything; nothing follows from it. Source: Luong, Pham & Manning 2015.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field
from gpurnn.network.attentions.output import Output
from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.params import Spec
from gpurnn.network.part import Binding, Lane, Named, Part, Pass
from gpurnn.network.sequences import PAIR, SOURCE_FIRST, SOURCE_LAST, TARGET_FIRST, TARGET_LAST, THERE
from gpurnn.network.signal import Rows, Signal

SOURCE = Path(__file__).with_name("attention.cu")
_PLACE, _OF_SOURCE = Argument(("C",), "index", below="N"), Argument(("C",), "index", below="BQ")
FORWARD = {"pair": Argument(("N",), "index", below="C"), "first": _OF_SOURCE, "last": _OF_SOURCE}
"""The last arguments of an operation forward: where each row looks."""
BACKWARD = {"first": _OF_SOURCE, "last": _OF_SOURCE, "begin": _PLACE, "end": _PLACE, "there": Argument(("C",))}
"""The last arguments of an operation backward: where each sequence lies."""


def softmax(xp: Any, scores: Array) -> None:
    """scores: overwritten with their softmax."""
    xp.subtract(scores, scores.max(), out=scores)
    xp.exp(scores, out=scores)
    xp.divide(scores, scores.sum(), out=scores)


def looks(pair: Array, first: Array, last: Array, lanes: int, row: int) -> tuple[slice, int]:
    """Which steps of which lane of the source a row sees."""
    n = int(pair[row])
    return of_source(first, last, lanes, n)


def of_source(first: Array, last: Array, lanes: int, n: int) -> tuple[slice, int]:
    """The steps and the lane of the source of a sequence."""
    (begin, lane), end = divmod(int(first[n]), lanes), int(last[n]) // lanes
    return slice(begin, end + 1), lane


class Attention(Part):
    """W_q: (inputs, A), W_o: (E + inputs, outputs), b: (outputs,). E: width of the encoder's rows.

    forward_op, backward_op: fused operations over the rows N of the steps and Q steps of the source, see dot.py.
    """

    name = "attention"
    forward_op: FusedOp
    backward_op: FusedOp
    fields: tuple[Field, ...] = (PAIR, SOURCE_FIRST, SOURCE_LAST, TARGET_FIRST, TARGET_LAST, THERE)

    def __init__(self, config: ModelConfig, inputs: int, width: int) -> None:
        """width: A. Raises UsageError where there is no encoder."""
        if not config.source:
            raise UsageError(f"source: expected at least 1 symbol for the attention {self.kind}, found 0")
        self.inputs, self.outputs, self.encoded, self.width = inputs, config.hidden, config.encoded_width, width
        self._init = config.init

    def specs(self) -> list[Spec]:
        name, both = self.name, self.encoded + self.inputs
        return [
            Spec(f"{name}.W_q", (self.inputs, self.width), self._init, 1, self.inputs),
            Spec(f"{name}.W_o", (both, self.outputs), self._init, 1, both),
            Spec(f"{name}.b", (self.outputs,)),
        ]

    @property
    def step_fields(self) -> tuple[Field, ...]:
        """None: `step` says why there is none."""
        return ()

    @abstractmethod
    def bind(self, to: Binding, x: Signal) -> AttentionPass: ...

    def step(self, lane: Lane, x: Signal) -> Signal:
        raise UsageError(
            f"{self.name} ({self.kind}): a model with it cannot be stepped, a step sees all of its source; run "
            "`model.encode`, then `model.decode` on windows of one step"
        )


class AttentionPass(Pass):
    """weights: a, (T B, S), 0 outside of a step's own source."""

    part: Attention
    y: Rows

    def __init__(self, part: Attention, to: Binding, x: Signal) -> None:
        if not isinstance(x, Rows):
            raise UsageError(f"{part.name}: expected rows of numbers from the part before it, found symbols")
        assert to.encoded is not None
        rows = to.rows
        super().__init__(part, to.dense(to.empty(rows, part.outputs), to.error(part.outputs)))
        self._be, self._lanes, self._x, self._encoded = to.be, to.lanes, x, to.encoded
        self._batch = to.batch
        self._W_q, arrays = to.value(part)["W_q"], to.batch.arrays
        self.weights, self._c = to.empty(rows, to.source), to.empty(rows, part.encoded)
        self._q = to.empty(rows, part.width)
        self._output = Output(to, part, self._c, x, self.y)
        self._sequences = arrays[PAIR.name], arrays[SOURCE_FIRST.name], arrays[SOURCE_LAST.name]
        self._dims = {"N": rows, "B": to.lanes, "C": to.sequences, "K": part.encoded, "Q": to.source}
        if to.train:
            self._dW_q = to.gradient(part)["W_q"]
            self._places = tuple(
                arrays[field.name] for field in (SOURCE_FIRST, SOURCE_LAST, TARGET_FIRST, TARGET_LAST, THERE)
            )
            self._dq, self._dscore = to.empty(rows, part.width), to.empty(rows, to.source)

    @abstractmethod
    def _look(self, n: int) -> None:
        """`weights` and `_c` of the first n rows, from `_q`."""

    @abstractmethod
    def _look_back(self, n: int, batch: Batch) -> None:
        """`_dq`, 0 so far, and what is added to the encoder's error, from the error of c; gradients of its own."""

    @abstractmethod
    def _gradients_of(self, begin: Array, there: Array, gradient: Named) -> None:
        """gradient: its own parameters', overwritten with those of one step of each sequence.

        begin: (N,), its row. there: (N,), 0 for sequences without it.
        """

    def forward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._be.gemm(self._x.value[:n], self._W_q, self._q[:n])
        self._look(n)
        self._output.forward(n)

    def backward(self, batch: Batch) -> None:
        n = batch.steps * self._lanes
        self._output.backward(n)
        self._dq[:n].fill(0)
        self._look_back(n, batch)
        self._be.gemm(self._x.value[:n].T, self._dq[:n], self._dW_q)
        if self._x.error is not None:
            self._be.gemm(self._dq[:n], self._W_q.T, self._x.error[:n], accumulate=True)

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        step = slice(t * self._lanes, (t + 1) * self._lanes)
        dx = None
        if self._x.error is not None:
            dx = self._output.error_at(step)
            self._be.gemm(self._dq[step], self._W_q.T, dx, accumulate=True)
        return {f"{self.part.name}.dc": self._output.dc[step]}, dx

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        step = slice(t * self._lanes, (t + 1) * self._lanes)
        self._be.gemm(self._x.at(t).T, self._dq[step], gradient["W_q"])
        self._output.gradients_at(step, gradient["W_o"], gradient["b"])
        begins, ends = ([row // self._lanes for row in map(int, self._be.to_host(each))] for each in self._places[2:4])
        lanes = [row % self._lanes for row in map(int, self._be.to_host(self._places[2]))]
        there = [float(is_there) for is_there in self._be.to_host(self._places[4])]
        inside = [a <= t <= b for a, b in zip(begins, ends, strict=True)]
        xp = self._be.xp
        rows = xp.asarray([(t * self._lanes + lane) * within for lane, within in zip(lanes, inside, strict=True)])
        with_it = xp.asarray([a * within for a, within in zip(there, inside, strict=True)])
        self._gradients_of(rows.astype(self._be.index_dtype), with_it.astype(self._q.dtype), gradient)
