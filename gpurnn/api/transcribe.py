"""What `TrainedModel.transcribe` says: the texts of frames, out of files or arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.api.arguments import path_of
from gpurnn.data.frames.files import spliced
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.transcripts import Transcript, TranscriptModel
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import Trained

_logger = logging.getLogger("gpurnn")
Said = list[Any]
"""A text for each input, or a pair of it and where its labels begin; or a list of these with their scores."""


def transcripts_of(trained: Trained, given: Iterable[Any], times: bool, *, n_best: int, **settings: Any) -> Said:
    """See `TrainedModel.transcribe`. settings: others of `Hearing.of`."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"inputs: expected a list, an array or a path for each text, found {given!r:.40}")
    hearing = Hearing.of(trained, n_best=n_best, scores=n_best != 1, on_warning=_logger.warning, **settings)
    model = TranscriptModel(trained, hearing, times=times)
    found = model.transcripts(_frames(model, given))
    if n_best == 1:
        return [(each.text, each.times) if times else each.text for (each,) in found]
    return [[_told(each, times) for each in several] for several in found]


def words_of(given: Any) -> Path | list[str] | None:
    """A path, or a list of words. Raises UsageError."""
    if given is None or isinstance(given, str | os.PathLike):
        return None if given is None else path_of("words", given)
    words = list(given) if isinstance(given, Iterable) else [given]
    for word in words:
        if not isinstance(word, str):
            raise UsageError(f"words: expected a path, or a list of words, found {word!r:.40}")
    return words


def _told(found: Transcript, times: bool) -> tuple[Any, ...]:
    return (found.text, found.score, found.times) if times else (found.text, found.score)


def _frames(model: TranscriptModel, given: Iterable[Any]) -> Iterator[NDArray[np.float32]]:
    form = model.transcription.form
    for number, each in enumerate(given):
        which = f"inputs: number {number} (the first is 0)"
        if isinstance(each, str | os.PathLike):
            yield model.read(path_of(which, each))
            continue
        try:
            frames = np.array(each, np.float32)
        except (TypeError, ValueError):
            raise UsageError(f"{which}: expected a path, or frames of {form.width:,} numbers") from None
        if frames.ndim != 2 or frames.shape[1] != form.width:
            raise UsageError(f"{which}: expected frames, (n, {form.width}), found {frames.shape}")
        if not np.isfinite(frames).all():
            raise DataError(f"{which}: it has a number that is none; correct it")
        yield model.fitting(spliced(frames, form, Path(which)), which)
