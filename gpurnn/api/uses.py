"""What a trained model is used with: a command, and a method of `TrainedModel`."""

from __future__ import annotations

from pathlib import Path

from gpurnn.exceptions import DataError, shell_word
from gpurnn.training.load import Trained
from gpurnn.training.meaning import in_words, kind_of

_USES = {
    "text": ("sample", "generate"),
    "series": ("predict", "forecaster"),
    **dict.fromkeys(("labels", "tags"), ("predict", "label")),
    **dict.fromkeys(("pairs", "captions"), ("predict", "translate")),
    "frames": ("predict", "transcribe"),
}
"""By what a model was trained on."""
_TOO = (("captions", "sample"), ("captions", "generate"))


def expect_use(trained: Trained, use: str, run: Path | None = None) -> None:
    """Raises DataError where a command, or a method, is not for a model of this kind; it names the one that is.

    run: that of a command, as it was given; None: `use` is a method.
    """
    kind = kind_of(trained.meaning)
    command, method = _USES[kind]
    if use in (command, method) or (kind, use) in _TOO:
        return
    if run is not None:
        use, file = f"gpurnn {use}", "" if command == "sample" else " FILE"
        method = f"gpurnn {command} {shell_word(run)}{file}"
    raise DataError(f"{trained.checkpoint.path}: a model of {in_words(kind)}, which {use} is not for; use {method}")
