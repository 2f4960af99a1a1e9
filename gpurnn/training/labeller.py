"""What a model says of sequences, one after the other: the probability of each label, or of the tags of each step.

Sequences are put side by side into windows, and what comes out of these is handed on in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.stream.filling import filled
from gpurnn.data.stream.pieces import cut_pieces
from gpurnn.exceptions import DataError, UsageError
from gpurnn.network import Model
from gpurnn.settings import Count, checked, expect_kind
from gpurnn.training.config import TrainConfig
from gpurnn.training.finite import to_log_softmax
from gpurnn.training.sidebyside import Laid, SideBySide
from gpurnn.training.validation import ForwardPass

LONGEST = 1 << 16
"""Steps of the longest window, which is what a sequence may have that has to lie in one."""
_STEPS, _FACTOR = 64, 4
"""Steps of the shortest windows, and how many times as long, and with fewer lanes, those of the next level are."""
_WINDOWS = 8
"""Sequences for about so many windows are taken at once."""
_TOGETHER = 16
"""Of long sequences so many are taken at once, if there is room."""
_OUTPUTS = 1 << 22
"""Numbers that the outputs of a window have at most, where it is more than one step."""
_AT_HAND = 1 << 24
"""Numbers that all that is taken at once has at most, where it is more than one sequence."""


class Labeller:
    """Runs a model over sequences of any lengths, as the windows of training have them: whole, cut, or `through`.

    model: reads one field a step. config: what it was trained with. at_end: whether a sequence has one label, and not
    each step a tag. cells: about how many steps, of all lanes together, a window has. Its buffers are used again, by
    one caller at a time.
    longest: steps that a sequence may have; None: any number.
    """

    _advice = "train with `cut`, or shorten it"

    def __init__(self, model: Model, config: TrainConfig, at_end: bool, *, cells: int = 1 << 14) -> None:
        expect_kind("model", Model, model)
        cells = checked("cells", Count, cells)
        self._model, self._config, self._at_end = model, config, at_end
        self._input, self._outputs = model.parts[0].fields[0], model.config.output_width
        self._cells = max(1, min(cells, _OUTPUTS // self._outputs))
        self._through = config.layout == "through"
        self.longest = None if self._through or config.cut else max(LONGEST, config.bptt)
        self._passes: dict[int, tuple[int, ForwardPass]] = {}

    def log_probabilities(self, sequences: Iterable[NDArray[Any] | None]) -> Iterator[NDArray[Any]]:
        """The logarithms of the probabilities, in the order of the sequences: (K,), or of tags (n, K).

        sequences: (n,) symbols, whole numbers, or (n, F) scaled numbers, n from 1 on; each stays as it is until what is
        said of it was handed on. A None among them has what came before it handed on before more is taken.
        Equal, up to rounding, to what the model says of each sequence alone. Raises UsageError for what the model
        cannot read, DataError for a sequence that no window holds.
        """
        held: list[NDArray[Any]] = []
        before = steps = longest = 0
        for sequence in sequences:
            if sequence is not None:
                held.append(sequence)
                steps += len(sequence)
                longest = max(longest, len(sequence))
            if held and (sequence is None or steps >= self._enough(longest)):
                yield from self._run(held, before)
                before += len(held)
                held, steps, longest = [], 0, 0
        if held:
            yield from self._run(held, before)

    def _enough(self, longest: int) -> int:
        """How many steps are taken at once."""
        room = _AT_HAND // (max(1, self._input.width) + self._outputs)
        return min(max(_WINDOWS * self._cells, _TOGETHER * longest), room)

    def _run(self, held: list[NDArray[Any]], before: int) -> Iterator[NDArray[Any]]:
        """before: how many sequences came before these."""
        lengths = np.fromiter(map(len, held), np.int64, len(held))
        self._expect_lengths(lengths, before)
        starts = np.append(0, lengths.cumsum())
        values = self._expect_values(held)
        found = np.empty((len(held) if self._at_end else len(values), self._outputs), self._model.config.real)
        laid = self._pieces(starts)
        levels = _STEPS * _FACTOR ** np.arange(20)
        level = levels.searchsorted(laid.length)
        for each in np.unique(level).tolist():
            self._put(values, laid.of(level == each), int(levels[each]), found)
        to_log_softmax(found)
        if self._at_end:
            yield from found
        else:
            yield from (found[a:b] for a, b in pairwise(starts.tolist()))

    def _pieces(self, starts: NDArray[np.int64]) -> Laid:
        """What lies in one lane each; not yet where."""
        config = self._config
        cut = config.cut and not self._through
        steps = config.bptt if cut else int(np.diff(starts).max())
        pieces = cut_pieces(starts, steps, at_end=self._at_end, context=config.context if cut else 0)
        count, low, high = (np.asarray(each, np.int64) for each in (pieces.count, pieces.low, pieces.high))
        to = np.arange(len(count)) - low if self._at_end else pieces.position
        return Laid(pieces.position, count, low, high, to, np.zeros_like(count), np.zeros_like(count))

    def _put(self, values: NDArray[Any], laid: Laid, steps: int, found: NDArray[Any]) -> None:
        """found: overwritten with the outputs of these pieces, none of which has more than so many steps."""
        filling = filled(laid.length, steps)
        laid = laid._replace(lane=filling.lane, begin=filling.begin)
        most = max(1, self._cells // (_STEPS if self._through else steps))
        for first in range(0, filling.lanes, most):
            inside = (laid.lane >= first) & (laid.lane < first + most)
            part = laid.of(inside)
            part = part._replace(lane=part.lane - first)
            lanes = self._lanes(int(part.lane.max()) + 1)
            room = max(1, self._cells // lanes) if self._through else steps
            forward = self._pass(lanes, min(room, steps))
            windows = SideBySide(self._model.fields, values, part, lanes, min(room, steps))
            for window, outputs in forward.logits(windows):
                begin = window.index * windows.geometry.steps
                into = windows.into[begin : begin + len(outputs)]
                found[into[into >= 0]] = outputs[into >= 0]

    def _lanes(self, least: int) -> int:
        """One of a few numbers of lanes that there are passes for."""
        lanes = max(1, self._cells // _STEPS)
        while lanes // _FACTOR >= least:
            lanes //= _FACTOR
        return lanes

    def _pass(self, lanes: int, steps: int) -> ForwardPass:
        """A pass for so many lanes and at least so many steps; no sequence goes on in it."""
        has, forward = self._passes.pop(lanes, (0, None))
        if forward is None or has < steps:
            forward, has = None, steps  # the old one's memory is free for the new one
            forward = ForwardPass(self._model, lanes, steps, labels=1)  # nothing is compared with a string
        self._passes[lanes] = has, forward
        forward.state.reset()
        return forward

    def _expect_lengths(self, lengths: NDArray[np.int64], before: int) -> None:
        if not lengths.all():
            raise UsageError(f"sequence {before + int(lengths.argmin())} (the first is 0): it has no step")
        if self.longest is not None and int(lengths.max()) > self.longest:
            which, most = before + int(lengths.argmax()), int(lengths.max())
            raise DataError(
                f"sequence {which} (the first is 0) has {most:,} steps, a window at most {self.longest:,}; "
                f"{self._advice}"
            )

    def _expect_values(self, held: list[NDArray[Any]]) -> NDArray[Any]:
        """All sequences in one array, as windows have them."""
        read = self._input
        try:
            values = np.concatenate(held)
        except ValueError:
            values = np.zeros(0)
        if values.shape != read.shape(sum(map(len, held))) or values.dtype.kind not in _KINDS[read.kind]:
            raise UsageError(f"sequences: expected {read}, found others")
        if read.kind == "real":
            values = values.astype(np.float32, copy=False)
            sound = bool(np.isfinite(values).all())
        else:
            sound = values.min() >= 0 and values.max() < read.below
            values = values.astype(np.int32, copy=False)
        if not sound:
            raise UsageError(f"sequences: expected {read}{_FINITE[read.kind]}, found others")
        return values


_KINDS = {"index": "iu", "real": "fiu"}
_FINITE = {"index": "", "real": ", finite"}
