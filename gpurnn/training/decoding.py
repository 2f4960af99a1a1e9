"""What a model makes of sources: the likeliest next symbol again and again, or the best of several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.exceptions import UsageError
from gpurnn.network import Model
from gpurnn.settings import Count, checked, expect_kind
from gpurnn.training.beams import Beams, Decoded
from gpurnn.training.config import TrainConfig
from gpurnn.training.decoderlanes import DecoderLanes

LANES = 256
_FACTOR = 4
"""How many times fewer lanes the next level of lanes has."""
_CELLS = 1 << 15
"""Steps of sources that all lanes have together, where there is more than one."""
_OUTPUTS = 1 << 22
"""Numbers that the outputs of all lanes have together, likewise."""
_BATCHES = 8
"""Sources for so many times all lanes are taken at once, so that those of like lengths run together."""
_AT_HAND = 1 << 22
"""Numbers that the sources which are taken at once have at most, where it is more than one."""


def usual_longest(config: TrainConfig) -> int | None:
    """How many symbols, with its end, a text of a model that was trained like this may have where that was not said.

    Of captions as many as a window has that held them whole, of those that went on through windows 16 times as many;
    None: of pairs, see `Decoding`.
    """
    if not config.model.vectors:
        return None
    return config.bptt if config.layout == "whole" else 16 * config.bptt


class Decoding:
    """Makes sequences from sources with a model of pairs, or from vectors with one of captions.

    lanes: how many sequences are made side by side. longest: how many symbols one may have, with its end, before it is
    cut; None: twice those of its source and 10. attended: whether what was looked at is wanted, too; of models with
    attention only. Its buffers are used again, by one caller at a time.
    Raises UsageError for settings that are none, and for a model that makes nothing from a source or a vector.
    """

    def __init__(self, model: Model, *, lanes: int = LANES, longest: int | None = None, attended: bool = False) -> None:
        expect_kind("model", Model, model)
        self._model, self._lanes = model, checked("lanes", Count, lanes)
        self._longest = None if longest is None else checked("longest", Count, longest)
        self._vectors, self._symbols = model.config.vectors, model.config.source
        if not (self._vectors or self._symbols):
            raise UsageError("model: expected one of pairs or of captions, found one that reads no source")
        if self._vectors and self._longest is None:
            raise UsageError("longest: expected a length, a vector has none")
        if attended and not model.config.attention:
            raise UsageError("attended: the model was trained without attention")
        self._attended = attended
        self._end = model.config.output_width - 1
        self._made: dict[int, DecoderLanes] = {}

    def beam(self, sources: Iterable[NDArray[Any] | None], width: int = 1, n_best: int = 1) -> Iterator[list[Decoded]]:
        """Of each source the likeliest sequences found, the likeliest first, n_best of them or fewer, in their order.

        sources: (n,) symbols, n from 1 on, or a vector; None: what came before it is handed on before more is taken.
        width: how many sequences of a source are followed at a time; with 1 always the likeliest next symbol is taken.
        Those that were cut come behind the others.
        Raises UsageError for what the model cannot read, GpurnnError for outputs that are not finite.
        """
        width, n_best = checked("width", Count, width), checked("n_best", Count, n_best)
        if n_best > width:
            raise UsageError(f"n_best: expected at most the width of the beam, {width}, found {n_best}")
        held: list[NDArray[Any]] = []
        before = numbers = 0
        for source in sources:
            if source is not None:
                held.append(self._expected(source, before + len(held)))
                numbers += len(source)
            full = len(held) * width >= _BATCHES * self._lanes or numbers >= _AT_HAND
            if held and (source is None or full):
                yield from self._run(held, width, n_best)
                before += len(held)
                held, numbers = [], 0
        if held:
            yield from self._run(held, width, n_best)

    def _expected(self, source: NDArray[Any], number: int) -> NDArray[Any]:
        """Raises UsageError for what the model cannot read."""
        which = f"source {number} (the first is 0)"
        if self._vectors:
            if source.shape != (self._vectors,) or source.dtype.kind not in "fiu" or not np.isfinite(source).all():
                raise UsageError(f"{which}: expected {self._vectors} finite numbers, found {source.shape}")
            return source
        if source.ndim != 1 or not len(source) or source.dtype.kind not in "iu":
            raise UsageError(f"{which}: expected symbols, found {source.shape} {source.dtype}")
        if source.min() < 0 or source.max() >= self._symbols:
            raise UsageError(f"{which}: expected whole numbers below {self._symbols}")
        return source

    def _run(self, held: list[NDArray[Any]], width: int, wanted: int) -> list[list[Decoded]]:
        """In the order of the sources."""
        steps = np.fromiter((self._steps(each) for each in held), np.int64, len(held))
        order = np.argsort(steps, kind="stable").tolist()
        found: list[list[Decoded]] = [[] for _ in held]
        while order:
            most = self._room(int(steps[order[-1]]), width)
            taken, order = order[-(most // width) :], order[: -(most // width)]
            for number, each in zip(taken, self._together([held[n] for n in taken], width, wanted, most), strict=True):
                found[number] = each
        return found

    def _steps(self, source: NDArray[Any]) -> int:
        return 1 if self._vectors else len(source)

    def _limit(self, source: NDArray[Any]) -> int:
        return 2 * len(source) + 10 if self._longest is None else self._longest

    def _room(self, steps: int, width: int) -> int:
        """How many lanes there are for sources of so many steps; at least the width of a beam."""
        lanes: int = max(self._lanes, width)
        most = min(_CELLS // steps, _OUTPUTS // self._model.config.output_width)
        while lanes > most and lanes // _FACTOR >= width:
            lanes //= _FACTOR
        return lanes

    def _level(self, most: int, least: int, steps: int) -> DecoderLanes:
        """The fewest lanes of the levels below `most` that are at least so many; for sources of so many steps."""
        lanes: int = most
        while lanes // _FACTOR >= least:
            lanes //= _FACTOR
        made = self._made.get(lanes)
        if made is None or made.source < steps:
            self._made.pop(lanes, None)  # its memory is free for the new one
            made = self._made[lanes] = DecoderLanes(self._model, lanes, 1 << (steps - 1).bit_length())
        return made

    def _together(self, sources: list[NDArray[Any]], width: int, wanted: int, most: int) -> list[list[Decoded]]:
        """most: lanes that there may be."""
        steps = max(map(self._steps, sources))
        lanes = self._level(most, len(sources) * width, steps)
        lanes.begin(sources, width)
        beams = Beams(len(sources), width, self._end)
        found: list[list[Decoded]] = [[] for _ in sources]
        limits = np.fromiter(map(self._limit, sources), np.int64, len(sources))
        left = np.arange(len(sources))
        """Which of the sources the beams are of."""
        going = np.ones(len(sources), np.bool_)
        while going.any():
            self._step(lanes, beams)
            over = going & (beams.done(wanted) | (beams.made >= limits[left]))
            if over.any():
                ready = np.flatnonzero(over)
                for number, each in zip(left[ready].tolist(), beams.found(ready, wanted), strict=True):
                    found[number] = each
            going &= ~over
            kept = np.flatnonzero(going)
            if len(kept) and over.any():
                fewer = self._level(lanes.lanes, len(kept) * width, steps)
                if fewer is not lanes:
                    taken = (kept[:, None] * width + np.arange(width)).reshape(-1)
                    fewer.adopt(lanes, taken, [sources[each] for each in left[kept].tolist()], width)
                    beams.keep(kept)
                    lanes, left, going = fewer, left[kept], going[kept]
        return found

    def _step(self, lanes: DecoderLanes, beams: Beams) -> None:
        """Another symbol of each."""
        groups, width = beams.last.shape
        count = groups * width
        symbols = np.zeros(lanes.lanes, np.int32)
        symbols[:count] = beams.last.reshape(-1)
        outputs = lanes.step(symbols)[:count].reshape(groups, width, -1)
        attended = lanes.attended()[:count].reshape(groups, width) if self._attended else None
        parents = beams.extend(outputs, attended)
        if width > 1:
            every = np.arange(lanes.lanes)
            every[:count] = (np.arange(groups)[:, None] * width + parents).reshape(-1)
            lanes.move(every)
