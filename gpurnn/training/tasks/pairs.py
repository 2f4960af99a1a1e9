"""Pairs and captions: the symbols of a text, made from another text or from a vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.stream import CaptionLanes, Cursor, Window, WindowStream
from gpurnn.data.stream.pairs import CaptionStream, PairStream, longest_of, pair_geometry
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import BOTH_DIRECTIONS, fitting_geometry, refuse_others
from gpurnn.training.tasks.planned import PlannedTask
from gpurnn.training.validation import ForwardPass

DEFAULTS: Mapping[str, Any] = {
    "cell": "gru",
    "hidden": 256,
    "embedding": 64,
    "dropout": 0.2,
    "lanes": 32,
    "lr": 3e-3,
    "schedule": "cosine",
    "restart": 0.0,
    "patience": 10,
}
_STEPS = 64
"""Windows have about as many steps as 32 lanes of so many."""


@dataclass(frozen=True)
class PairLosses:
    """How well the texts of the valid split are made. mean: nats a symbol, each from the true ones before it.

    exact: the part of the texts of which each symbol is the likeliest one, which are those that come out right where
    always the likeliest one is taken.
    """

    mean: float
    exact: float
    stuck = 0

    def judged(self, counted_lanes: str) -> float:
        """The mean loss: there are no lanes here to leave out."""
        return self.mean

    def in_words(self) -> str:
        """What a person is told of it."""
        return f"loss {self.mean:.4f}, exact {self.exact:.4f}"

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""
        return {"valid_loss": self.mean if math.isfinite(self.mean) else None, "valid_exact": self.exact}


class Pairs(PlannedTask):
    """The target of each step is the next symbol of a text, or its end.

    through: whether captions go on from one window to the next. A validation has them whole all the same.
    """

    rate_key, loss_key, valid_key = "steps_per_second", "loss", "valid_loss"
    decay_epochs = 12

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        super().__init__(corpus, config)
        self.language = PairLanguage.of(corpus)
        self._forward: ForwardPass | None = None
        self.through = self.language.source is None and config.layout == "through"

    @classmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`. Windows are as long as the longest source and target, and have fewer lanes instead."""
        captions = corpus.kind == "captions"
        own = ("layout",) if captions else ("attention", BOTH_DIRECTIONS, "target_bptt")
        refuse_others(given, (*own, "scheduled_sampling"), corpus)
        language = PairLanguage.of(corpus)
        lanes, source, target = pair_geometry(*longest_of(corpus.split("train")), DEFAULTS["lanes"], _STEPS)
        found = dict(DEFAULTS) | {"symbols": language.symbols, "layout": "whole"}
        if captions:
            found |= {"start": "vector", "vectors": language.vectors, "target_bptt": 0}
            through = given.get("layout") == "through"
            return found | ({"bptt": _STEPS} if through else {"bptt": target, "lanes": lanes})
        found |= {"target_bptt": target, "bptt": source, "lanes": lanes}
        assert language.source is not None
        return found | {
            "start": "encoder",
            "source": len(language.source),
            "source_embedding": given.get("embedding", DEFAULTS["embedding"]),
            "encoder": (BOTH_DIRECTIONS if given.get(BOTH_DIRECTIONS) else "recurrent", "dropout"),
        }

    @classmethod
    def geometry(cls, corpus: Corpus, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
        """See `Task`."""
        if given.get("layout") == "through":
            return fitting_geometry(corpus.targets("train") + 1, given, defaults)
        return given.get("lanes", defaults["lanes"]), given.get("bptt", defaults["bptt"])

    @property
    def meaning(self) -> PairLanguage:
        """What is made, and from what."""
        return self.language

    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """See `Task`."""
        return self._stream("train", cursor=cursor, plan=be.plans_rows)

    def _stream(self, split: str, **more: Any) -> PairStream | CaptionLanes:
        config = self.config
        if self.language.source is None:
            of = {"lanes": config.lanes, "steps": config.bptt, "seed": config.seed, **more}
            if self.through and split == "train":
                return CaptionLanes(self.corpus, split, restart=config.restart, **of)
            if self.through:
                extents = longest_of(self.corpus.split(split))
                lanes, _, steps = pair_geometry(*extents, config.lanes, config.bptt)
                of |= {"lanes": lanes, "steps": max(steps, extents[1].longest)}
            return CaptionStream(self.corpus, split, **of)
        return PairStream(
            self.corpus,
            split,
            lanes=config.lanes,
            steps=config.target_bptt,
            source_steps=config.bptt,
            seed=config.seed,
            **more,
        )

    def validate(self, model: Model, stopping: Callable[[], bool]) -> PairLosses | None:
        """See `Task`."""
        if not len(self.corpus.split("valid")):
            return None
        loss = weight = right = texts = 0.0
        with closing(self._stream("valid", epochs=1, plan=False)) as stream:
            if self._forward is None:
                self._forward = ForwardPass(model, *stream.geometry.sizes)
            for window, o, losses in self._forward.outputs(islice(stream.recycled(), self.config.validate_windows)):
                loss += float(np.sum(losses * window.weight, dtype=np.float64))
                weight += window.weight_sum
                good, all_of_them = exact_in(window, o)
                right, texts = right + good, texts + all_of_them
                if stopping():
                    break
        return PairLosses(loss / weight, right / texts) if weight else None


def exact_in(window: Window, o: np.ndarray) -> tuple[int, int]:
    """How many sequences of a window have the likeliest symbol right at each step, and how many there are.

    o: (T, B, K), the outputs.
    """
    counted = window.weight > 0
    wrong = (o.argmax(axis=2) != window.targets) & counted
    there = np.unique(window.pair[counted])
    return len(there) - len(np.unique(window.pair[wrong])), len(there)
