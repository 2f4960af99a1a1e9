"""Measures a trained model as its kind asks for: of text, of measured series, of labels and tags, pairs, or frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.text.language import Language
from gpurnn.evaluation import language_model
from gpurnn.evaluation.labels import LabelsEvaluation, evaluate_labels
from gpurnn.evaluation.language_model import Evaluation
from gpurnn.evaluation.pairs import PairEvaluation, evaluate_pairs
from gpurnn.evaluation.plot import Plot
from gpurnn.evaluation.series import SeriesEvaluation, evaluate_series
from gpurnn.evaluation.transcripts import TranscriptEvaluation, evaluate_transcripts
from gpurnn.exceptions import UsageError
from gpurnn.training.decoding import usual_longest
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import Trained
from gpurnn.training.meaning import in_words, kind_of

_logger = logging.getLogger(__name__)
Found = Evaluation | SeriesEvaluation | LabelsEvaluation | PairEvaluation | TranscriptEvaluation


def evaluate_trained(
    trained: Trained,
    corpus: Corpus,
    split: str = "valid",
    *,
    lanes: int = 1,
    plot: Path | None = None,
    beam: int | None = None,
    lm: Path | None = None,
    lm_weight: float | None = None,
    words: Path | Sequence[str] | None = None,
    on_warning: Callable[[str], None] = _logger.warning,
    on_progress: Callable[[int, int], None] = lambda done, targets: None,
) -> Found:
    """What `language_model.evaluate`, or one of the others of this folder, finds.

    lanes: of text only. plot: of series only; see `Plot`. beam: of pairs, captions and frames only. lm, lm_weight,
    words, on_warning: of frames only; see `Hearing.of`. on_progress: called with what is done and the whole.
    Raises UsageError for any of them of another kind, and as those do.
    """
    meaning, kind = trained.meaning, in_words(kind_of(trained.meaning))
    if not isinstance(meaning, PairLanguage | Transcription):
        _refuse(beam not in (None, 1), f"`beam`: nothing is made by a model of {kind}")
    if not isinstance(meaning, Transcription):
        for name, value in (("lm", lm), ("lm_weight", lm_weight), ("words", words)):
            _refuse(value is not None, f"`{name}`: nothing is heard by a model of {kind}")
    if isinstance(meaning, Language):
        _refuse(plot is not None, f"`plot`: there is nothing to draw of a model of {kind}")
        found: Evaluation = language_model.evaluate(
            trained.model, meaning, corpus, split, lanes=lanes, on_progress=on_progress
        )
        return found
    if isinstance(meaning, Labelling):
        _refuse(plot is not None, f"`plot`: there is nothing to draw of a model of {kind}")
        _refuse(lanes != 1, "`lanes`: sequences are read side by side as they are")
        return evaluate_labels(trained.model, meaning, trained.config, corpus, split, on_progress=on_progress)
    if isinstance(meaning, PairLanguage):
        _refuse(plot is not None, f"`plot`: there is nothing to draw of a model of {kind}")
        _refuse(lanes != 1, "`lanes`: texts are made side by side as they are")
        longest = usual_longest(trained.config)
        return evaluate_pairs(
            trained.model, meaning, corpus, split, beam=beam or 1, longest=longest, on_progress=on_progress
        )
    if isinstance(meaning, Transcription):
        _refuse(plot is not None, f"`plot`: there is nothing to draw of a model of {kind}")
        _refuse(lanes != 1, "`lanes`: frames are read side by side as they are")
        hearing = Hearing.of(
            trained, beam=beam, lm=lm, lm_weight=lm_weight, words=words, scores=False, on_warning=on_warning
        )
        return evaluate_transcripts(
            trained.model, meaning, trained.config, corpus, split, hearing=hearing, on_progress=on_progress
        )
    _refuse(lanes != 1, "`lanes`: series are read side by side as they are")
    return _of_series(trained, corpus, split, plot, on_progress)


def _of_series(
    trained: Trained, corpus: Corpus, split: str, plot: Path | None, on_progress: Callable[[int, int], None]
) -> SeriesEvaluation:
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


def _refuse(given: bool, why: str) -> None:
    """Raises UsageError where a setting is given that means nothing."""
    if given:
        raise UsageError(f"{why}; leave it out")
