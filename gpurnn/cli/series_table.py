"""What `gpurnn evaluate` prints of measured series: a table of errors, the model's above those of simple forecasts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gpurnn.evaluation.metrics import Accuracy
from gpurnn.evaluation.series import SCALES, SeriesEvaluation

_FIGURES = 4
_MOST_SERIES = 40


def table_of(result: SeriesEvaluation) -> Iterator[str]:
    """The lines of the table."""
    unit = SCALES if result.unit == SCALES else f"the unit of {result.unit}"
    yield f"  targets {result.targets:,}, errors in {unit}"
    whole = Accuracy(result.targets, result.mae, result.rmse, result.mase)
    rows = [("this model", whole, "")]
    for group in result.same:
        name, *others = reversed(group)
        rows.append((name, result.baselines[name], "".join(f"  = {other}" for other in others)))
    decimals = _decimals([each for _, each, _ in rows])
    parts = _parts(result)
    named = [name for name, *_ in rows] + [name for _, part in parts for name in part]
    width = max(map(len, (*named, *(f"quantile {q}" for q in result.quantiles))))
    yield f"  {'':<{width}}{'MAE':>12}{'RMSE':>12}{'MASE':>8}"
    for name, each, more in rows:
        yield _line(name, width, each, decimals) + more
    for title, part in parts:
        yield f"  by {title}"
        for name, each in part.items():
            yield _line(name, width, each, _decimals([each]) if title == "target" else decimals)
    if len(result.series) > _MOST_SERIES:
        yield f"  and {len(result.series) - _MOST_SERIES:,} more series; --json has all"
    for quantile, found in result.quantiles.items():
        loss, share = found["pinball"], found["coverage"]
        yield f"  {f'quantile {quantile}':<{width}}{loss:>12.{decimals}f}  pinball loss; {share:.1%} are not above it"


def _parts(result: SeriesEvaluation) -> list[tuple[str, dict[str, Accuracy]]]:
    """The model's errors by target and by series, where there are several."""
    series = dict(list(result.series.items())[:_MOST_SERIES])
    parts = [("target", result.horizons), ("series", {f"{name:.40}": each for name, each in series.items()})]
    return [(title, part) for title, part in parts if len(part) > 1]


def _line(name: str, width: int, each: Accuracy, decimals: int) -> str:
    mase = "" if each.mase is None else f"{each.mase:.3f}"
    return f"  {name:<{width}}{_number(each.mae, decimals):>12}{_number(each.rmse, decimals):>12}{mase:>8}".rstrip()


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


def _decimals(rows: Sequence[Accuracy]) -> int:
    """So many that the smallest error shows some figures."""
    smallest = min((each.mae for each in rows if each.mae), default=1.0)
    return min(max(0, _FIGURES - 1 - math.floor(math.log10(smallest))), 12)
