"""Text: which token comes next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import islice, takewhile
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Cursor, WindowStream
from gpurnn.data.stream.text import text_fields
from gpurnn.data.text.language import Language
from gpurnn.fields import Field
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task, refuse_others
from gpurnn.training.validation import ForwardPass, LaneLosses, lane_losses


class Text(Task):
    """A language model: the target of each token is the one after it."""

    rate_key, loss_key, valid_key = "tokens_per_second", "nats_per_token", "valid_nats_per_token"

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        super().__init__(corpus, config)
        self._validation: ForwardPass | None = None
        self._tokens_per_char = _tokens_per_char(corpus)

    @classmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        refuse_others(given, (), corpus)
        return {"symbols": len(corpus.vocabulary)}

    @property
    def meaning(self) -> Language:
        """Turns text into symbols and back."""
        return self.corpus.language

    @property
    def fields(self) -> tuple[Field, ...]:
        """See `Task`."""
        return text_fields(len(self.corpus.vocabulary), planned=False)

    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """See `Task`."""
        return self.stream(cursor, plan=be.plans_rows)

    def validate(self, model: Model, stopping: Callable[[], bool]) -> LaneLosses | None:
        """See `Task`."""
        split, config = self.corpus.split("valid"), self.config
        if len(split) < 2:
            return None
        lanes = max(1, min(config.lanes, (len(split) - 1) // config.bptt))
        steps = min(config.bptt, (len(split) - 1) // lanes)
        if self._validation is None:
            self._validation = ForwardPass(model, lanes, steps)
        self._validation.state.reset()
        with closing(WindowStream(self.corpus, "valid", lanes=lanes, steps=steps, epochs=1, plan=False)) as stream:
            passes = self._validation.losses(islice(stream.recycled(), config.validate_windows))
            losses = lane_losses(takewhile(lambda each: not stopping(), passes), model.head)
        return None if math.isnan(losses.median) else losses

    @property
    def usual_geometry(self) -> dict[str, int]:
        """See `Task`."""
        return {"lanes": TrainConfig.lanes, "bptt": TrainConfig.bptt}

    def line(self, loss: float | None) -> dict[str, float | None]:
        """Nats a token, and bits a character where the tokens say how many characters they are."""
        per_char = self._tokens_per_char
        bits = loss / math.log(2) * per_char if loss is not None and per_char else None
        return {self.loss_key: loss, "bits_per_char": bits}


def _tokens_per_char(corpus: Corpus) -> float | None:
    """How many tokens make a character in the train split; None where unknown words hide it."""
    counts = corpus.counts.astype(np.int64)
    seen = np.flatnonzero(counts)
    characters = corpus.vocabulary.characters(seen)
    total = 0 if characters is None else int(characters @ counts[seen])
    return int(counts.sum()) / total if total else None
