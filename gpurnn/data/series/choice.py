"""Which columns of tables a corpus gets, and what it says of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.series.columns import Columns
from gpurnn.data.series.form import Form
from gpurnn.data.series.options import SeriesOptions
from gpurnn.data.series.scaling import Statistics
from gpurnn.exceptions import DataError


def choose_columns(
    options: SeriesOptions,
    names: Sequence[str],
    statistics: Statistics,
    spacing: tuple[int, int],
    form: Form,
    clock: tuple[str, ...],
) -> tuple[list[int], Columns, list[tuple[str, str]]]:
    """Which of the columns are kept, what the corpus says of them, and name and reason of those that are left out.

    statistics: of the train split. spacing: the interval between rows and the rows of a season. clock: names of its
    columns. Raises DataError where a column that was asked for cannot be scaled, and where none can be.
    """
    if options.known is not None:
        known = replace(options.known, form=form.to_json(), time=options.time, key=options.key)
        return list(range(len(names))), known, []
    kept, left = [], []
    if not statistics.count.any():
        raise DataError("the train split has no numbers; give more rows, or another `split`")
    for index, name in enumerate(names):
        reason = _useless(statistics, index)
        if reason is None:
            kept.append(index)
        elif options.columns:
            raise DataError(
                f"column {name!r}: {reason} in the train split; leave it out of `columns`, or give another `split`"
            )
        else:
            left.append((name, reason))
    if not kept:
        raise DataError(f"no column says anything: {left[-1][0]!r} {left[-1][1]}; give more rows")

    def array(values: NDArray[np.float64], of_clock: float) -> NDArray[np.float64]:
        return np.concatenate((values[kept], np.full(len(clock), of_clock)))

    interval, season = spacing
    columns = Columns(
        names=(*(names[index] for index in kept), *clock),
        mean=array(statistics.mean, 0),
        scale=array(statistics.scale, 1),
        season_error=array(statistics.season_error, np.nan),
        interval=interval,
        season=season,
        time=options.time,
        key=options.key,
        clock=options.clock,
        fill=options.fill,
        form=form.to_json(),
    )
    return kept, columns, left


def _useless(statistics: Statistics, index: int) -> str | None:
    """Why a column cannot be scaled; None where it can."""
    if not statistics.count[index]:
        return "it has no number"
    if statistics.low[index] == statistics.high[index]:
        return f"it is always {statistics.low[index]:g}"
    return None
