"""Measures a trained model as its kind asks for: of text, or of measured series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpurnn.data.corpus import Corpus
from gpurnn.data.series.columns import Columns
from gpurnn.evaluation import language_model
from gpurnn.evaluation.language_model import Evaluation
from gpurnn.evaluation.plot import Plot
from gpurnn.evaluation.series import SeriesEvaluation, evaluate_series
from gpurnn.exceptions import UsageError
from gpurnn.training.load import Trained


def evaluate_trained(
    trained: Trained,
    corpus: Corpus,
    split: str = "valid",
    *,
    lanes: int = 1,
    plot: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, targets: None,
) -> Evaluation | SeriesEvaluation:
    """What `gpurnn.evaluation.language_model.evaluate` or `gpurnn.evaluation.series.evaluate_series` finds.

    lanes: of text only. plot: of series only; see `Plot`. on_progress: called with what is done and the whole.
    Raises UsageError for either of the other kind, and as those do.
    """
    if not isinstance(trained.meaning, Columns):
        if plot is not None:
            raise UsageError("`plot`: there is nothing to draw of a model of text; leave it out")
        found: Evaluation = language_model.evaluate(
            trained.model, trained.language, corpus, split, lanes=lanes, on_progress=on_progress
        )
        return found
    if lanes != 1:
        raise UsageError("`lanes`: series are read side by side as they are; leave it out")
    forecast = trained.forecast
    picture = None if plot is None else Plot(plot, forecast)
    result = evaluate_series(
        trained.model,
        forecast,
        corpus,
        split,
        on_progress=on_progress,
        on_forecasts=lambda found: None if picture is None else picture.add(found),
    )
    if picture is not None:
        picture.draw(corpus.key_names, trained.config.model.quantiles)
    return result
