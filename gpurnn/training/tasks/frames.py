"""Frames with strings of labels: what is written in a line, or said in a recording, and not where."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.stream import Cursor, StringStream, Window, WindowStream
from gpurnn.data.stream.pieces import longest_sequence, rounded_up
from gpurnn.network import Model
from gpurnn.training.collapse import collapsed
from gpurnn.training.config import TrainConfig
from gpurnn.training.edits import TextErrors
from gpurnn.training.tasks.base import BOTH_DIRECTIONS, refuse_others
from gpurnn.training.tasks.planned import PlannedTask
from gpurnn.training.validation import ForwardPass

DEFAULTS: Mapping[str, Any] = {
    "cell": "gru",
    "hidden": 64,
    "dropout": 0.2,
    "lanes": 16,
    "bptt": 160,
    "lr": 6e-3,
    "schedule": "cosine",
    "restart": 0.0,
    "patience": 10,
}
"""They were chosen by the errors in lines of handwritten digits by others than who wrote the train split."""
_LEAST_LANES = 8
_TIE = 1e-7
"""What the loss adds to the character errors at most: less than one of ten million characters does."""


@dataclass(frozen=True)
class TranscriptLosses:
    """How well the texts of the valid split are read, the likeliest label of each frame taken.

    mean: nats a label. cer: edits a character of the texts that are there.
    """

    mean: float
    cer: float
    stuck = 0

    def judged(self, counted_lanes: str) -> float:
        """The character errors; of equals the lower loss is better."""
        return self.cer + _TIE * self.mean / (1 + self.mean) if math.isfinite(self.mean) else math.nan

    def in_words(self) -> str:
        """What a person is told of it."""
        return f"CER {self.cer:.4f}, loss {self.mean:.4f}"

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""
        return {"valid_loss": self.mean if math.isfinite(self.mean) else None, "valid_cer": self.cer}


class Frames(PlannedTask):
    """The targets of a sequence are a string of labels, which some of its steps are to say in their order."""

    rate_key, loss_key, valid_key = "steps_per_second", "loss", "valid_loss"
    least_between_validations = 20
    decay_epochs = 8

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        super().__init__(corpus, config)
        self.transcription = Transcription.of(corpus)
        self._forward: ForwardPass | None = None

    @classmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        refuse_others(given, (BOTH_DIRECTIONS,), corpus)
        transcription = Transcription.of(corpus)
        return {
            **DEFAULTS,
            "symbols": 0,
            "inputs": transcription.inputs,
            "outputs": transcription.outputs,
            "input": "real",
            "head": "ctc",
            "stack": ("dropout", BOTH_DIRECTIONS if given.get(BOTH_DIRECTIONS) else "recurrent"),
        }

    @classmethod
    def geometry(cls, corpus: Corpus, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
        """See `Task`. Windows are as long as the longest sequence where that is longer, and have fewer lanes then."""
        usual = defaults["lanes"] * defaults["bptt"]
        steps = given.get("bptt", max(defaults["bptt"], rounded_up(longest_sequence(corpus.split("train")))))
        return given.get("lanes", max(_LEAST_LANES, usual // max(1, steps))), steps

    @property
    def meaning(self) -> Transcription:
        """How files become frames, and which labels a text is spelt with."""
        return self.transcription

    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """See `Task`."""
        return self._stream("train", cursor=cursor)

    def _stream(self, split: str, longest: int = 0, **more: Any) -> StringStream:
        """longest: the steps of a sequence for which there has to be room; windows that are longer have fewer lanes."""
        lanes, steps = self.config.lanes, self.config.bptt
        if longest > steps:
            lanes, steps = max(1, lanes * steps // longest), longest
        return StringStream(self.corpus, split, lanes=lanes, steps=steps, seed=self.config.seed, **more)

    def validate(self, model: Model, stopping: Callable[[], bool]) -> TranscriptLosses | None:
        """See `Task`."""
        split = self.corpus.split("valid")
        if not len(split):
            return None
        loss, weight, errors = 0.0, 0.0, TextErrors()
        text_of = self.transcription.text_of
        with closing(self._stream("valid", longest_sequence(split), epochs=1)) as stream:
            if self._forward is None:
                self._forward = ForwardPass(model, *stream.geometry.sizes)
            for window, o, losses in self._forward.outputs(islice(stream.recycled(), self.config.validate_windows)):
                loss += float(np.sum(losses * window.weight, dtype=np.float64))
                weight += window.weight_sum
                for outputs, labels in strings_in(window, o):
                    errors.add(text_of(collapsed(outputs)[0]), text_of(labels))
                if stopping():
                    break
        return TranscriptLosses(loss / weight, errors.symbols.rate)

    def best_in_words(self, judged: float) -> str:
        """See `Task`."""
        return f"CER {judged:.4f}"


def strings_in(window: Window, o: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """The outputs, (n, K), of each sequence of a window, and its labels, (m,).

    o: (T, B, K), the outputs. A sequence begins where carry is 0 and a label has weight, and goes on to the next
    carry of 0.
    """
    for lane in range(o.shape[1]):
        begins = np.flatnonzero(window.carry[:, lane] == 0).tolist()
        for begin, end in zip(begins, [*begins[1:], len(o)], strict=True):
            counted = window.weight[begin:end, lane] > 0
            if counted.any():
                yield o[begin:end, lane], window.targets[begin:end, lane][counted]
