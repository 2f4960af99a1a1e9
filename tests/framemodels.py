"""Models of frames whose likeliest labels change often, and frames for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.network import Model, ModelConfig

WIDTH = 3
PLAIN = FrameForm("arrays", WIDTH)
LETTERS = Vocabulary("chars", "ab\n")


def heard_by(
    be: Backend, vocabulary: Vocabulary = LETTERS, form: FrameForm = PLAIN, **settings: Any
) -> tuple[Model, Transcription]:
    """A model whose likeliest labels change often."""
    rng = np.random.default_rng(4)
    columns = Columns(
        tuple(map(str, range(form.inputs))),
        rng.normal(size=form.inputs),
        rng.uniform(0.5, 2, form.inputs),
        np.full(form.inputs, np.nan),
        interval=1,
        form=form.to_json(),
    )
    transcription = Transcription(columns, vocabulary, TextPolicy())
    config = {"cell": "gru", "hidden": 8, "dtype": "float64", "start": "learned", "input": "real", **settings}
    model = Model(be, ModelConfig(0, inputs=form.inputs, outputs=transcription.outputs, **config))
    model.params.initialise(be, 3)
    for name, value in model.params.value.items():
        value *= 3 if value.ndim == 2 else 1
        if "start" in name:
            value[...] = 0.5
    return model, transcription


def frames_of(count: int) -> list[np.ndarray]:
    """Those of so many texts, from the shortest on."""
    rng = np.random.default_rng(1)
    lengths = (1, 2, 3, *range(4, 40))[:count]
    return [rng.normal(scale=3, size=(frames, WIDTH)).astype(np.float32) for frames in lengths]
