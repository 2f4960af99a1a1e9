"""The language of a model: how text becomes its symbols, and how symbols become text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.data.text.tokens import TextPolicy, Vocabulary


@dataclass(frozen=True)
class Language:
    """What turns text into symbols and back: vocabulary, text policy, and how documents begin.

    start_symbols, start_counts: (n,), the first symbols of train documents and how often each was seen.
    """

    vocabulary: Vocabulary
    policy: TextPolicy
    start_symbols: np.ndarray
    start_counts: np.ndarray

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What checkpoints hold of it as tensors, by their names there."""
        data, offsets = self.vocabulary.to_arrays()
        return {
            "vocabulary.data": data,
            "vocabulary.offsets": offsets,
            "starts.symbols": np.asarray(self.start_symbols, np.int64),
            "starts.counts": np.asarray(self.start_counts, np.int64),
        }

    def to_json(self) -> dict[str, Any]:
        """What they hold of it in their header, under `corpus`."""
        return {
            "tokens": self.vocabulary.kind,
            "unknown": self.vocabulary.unknown,
            "policy": self.policy.to_json(),
        }
