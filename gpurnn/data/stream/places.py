"""Windows whose lanes begin at any places of a split of text or series, for measuring."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.series import SeriesWindows
from gpurnn.data.stream.text import TextWindows, text_fields
from gpurnn.data.stream.windows import Cursor, Geometry, Window, WindowMaker
from gpurnn.exceptions import DataError


class Places:
    """A split of text or of series, read at places: steps of it, each with what a window has of it.

    forecast, burn_in: of series, see `WindowStream`. count: how many targets there are; place p has the target p. The
    last rows of series, after which nothing lies that could be forecast, are no places.
    """

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
        maker, lanes = self._maker(steps), len(starts)
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

    def _maker(self, steps: int) -> WindowMaker:
        """What fills a lane of so many steps."""
        if steps not in self._makers:
            geometry, never = Geometry(self.count + 1, 1, steps), Restarts(0.0, 0, 1)
            if self._forecast is None:
                fields = text_fields(self._split.symbols, planned=False)
                self._makers[steps] = TextWindows(self._split, geometry, fields, never)
            else:
                self._makers[steps] = SeriesWindows(self._split, geometry, self._forecast, self._burn_in, never)
        return self._makers[steps]
