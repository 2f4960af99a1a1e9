"""Windows whose lanes begin at any places of a split that lanes go through, for measuring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.labelled import ThroughWindows
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.series import SeriesWindows
from gpurnn.data.stream.text import TextWindows, text_fields
from gpurnn.data.stream.whole import whole_fields
from gpurnn.data.stream.windows import Cursor, Geometry, Window, WindowMaker
from gpurnn.exceptions import DataError


class Places:
    """A split of text or of series, read at places: steps of it, each with what a window has of it.

    forecast, burn_in: of series, see `WindowStream`. count: how many targets there are; place p has the target p. The
    last rows of series, after which nothing lies that could be forecast, are no places. ends: the places that have a
    target where few of them have one; None where most have.
    """

    ends: NDArray[np.int64] | None = None

    def __init__(self, split: Split, forecast: Forecast | None = None, burn_in: int = 0) -> None:
        self._split, self._forecast, self._burn_in = split, forecast, burn_in
        self.path, self.name = split.path, split.name
        self.count = max(0, len(split) - (1 if forecast is None else forecast.most))
        self._makers: dict[int, WindowMaker] = {}

    def window(self, starts: NDArray[np.int64], steps: int) -> Window:
        """`steps` steps from each of the places `starts` (B,) on, each in a lane of its own.

        Carry and weight are those of the split: nothing begins at a place but what begins there in it.
        Raises DataError where a lane would go beyond the end.
        """
        if len(starts) and not 0 <= int(starts.min()) <= int(starts.max()) + steps <= self.count:
            raise DataError(f"{self.path}: split {self.name} has {self.count:,} targets, too few for {steps:,} steps")
        if steps not in self._makers:
            self._makers[steps] = self._maker(Geometry(self.count + 1, 1, steps), Restarts(0.0, 0, 1))
        maker, lanes = self._makers[steps], len(starts)
        carry, weight = np.ones((2, steps, lanes), np.float32)
        fields: dict[str, NDArray[Any]] = {
            field.name: np.zeros(field.shape(steps, lanes), np.int32 if field.kind == "index" else np.float32)
            for field in maker.fields
        }
        arrays = {**fields, "carry": carry, "weight": weight}
        one = {name: np.zeros((steps, 1, *array.shape[2:]), array.dtype) for name, array in arrays.items()}
        boundary = False
        for lane, start in enumerate(starts.tolist()):
            boundary |= maker.fill(one, start)
            for name, array in arrays.items():
                array[:, lane] = one[name][:, 0]
        self._weigh(fields, weight)
        return Window(
            0,
            0,
            carry=carry,
            weight=weight,
            has_boundary=boundary,
            uniform=not boundary,
            weight_sum=float(weight.sum(dtype=np.float64)),
            cursor=Cursor(0, lanes, steps, self.count + 1),
            fields=fields,
        )

    def _maker(self, geometry: Geometry, never: Restarts) -> WindowMaker:
        """What fills a lane."""
        if self._forecast is None:
            return TextWindows(self._split, geometry, text_fields(self._split.symbols, planned=False), never)
        return SeriesWindows(self._split, geometry, self._forecast, self._burn_in, never)

    def _weigh(self, fields: Mapping[str, NDArray[Any]], weight: NDArray[np.float32]) -> None:
        """weight: (T, B), multiplied by what a target counts."""


class LabelledPlaces(Places):
    """A split of sequences with labels or tags that go on from one window to the next.

    labels: how many there are. columns: of rows, None of symbols. weights: (K,), what each label counts; None: 1.
    """

    def __init__(
        self, split: Split, labels: int, columns: Columns | None = None, weights: NDArray[np.float32] | None = None
    ) -> None:
        super().__init__(split)
        self.count = len(split)
        self._labels, self._columns, self._weights = labels, columns, weights
        self._at_end = split.labelled == "documents"
        if self._at_end and self.count:
            begins = np.zeros(len(split.documents), np.uint64)
            split.documents.read(0, begins)
            self.ends = np.append(begins[1:].astype(np.int64), self.count) - 1

    def _maker(self, geometry: Geometry, never: Restarts) -> WindowMaker:
        fields = whole_fields(self._split, self._labels, planned=False)
        return ThroughWindows(
            self._split, geometry, fields, never, columns=self._columns, at_end=self._at_end, weights=None
        )

    def _weigh(self, fields: Mapping[str, NDArray[Any]], weight: NDArray[np.float32]) -> None:
        if self._weights is not None:
            weight *= self._weights[fields["targets"]]
