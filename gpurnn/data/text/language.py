"""The language of a model: how text becomes its symbols, and how symbols become text."""

from __future__ import annotations

from dataclasses import dataclass

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
