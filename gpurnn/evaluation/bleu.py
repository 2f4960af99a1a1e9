"""BLEU: what part of the runs of words of a text its references have, too (K. Papineni and others, 2002)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

_ORDER = 4
"""Words of the longest runs."""
_ESCAPED = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_PARTED = (
    (re.compile(r"([!-&(-+/:-@\[-`{-~])"), r" \1 "),  # ASCII marks but ' , - .
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""What stands apart in the tokenization 13a of NIST's mteval: marks, but those inside numbers."""


class Bleu:
    """BLEU over many texts, 0 to 100: runs of 1 to 4 tokens of 13a, the geometric mean of their precisions.

    The runs of all texts are counted together, each as often as the reference that has it most often; what is shorter
    than the nearest references pays for it. Where no run of a length is shared, a half counts as one that is, then a
    quarter (the smoothing "exp").
    """

    def __init__(self) -> None:
        self._found, self._shared = np.zeros(_ORDER, np.int64), np.zeros(_ORDER, np.int64)
        self._length = self._wanted = 0

    def add(self, found: str, references: Sequence[str]) -> None:
        """found: one text. references: at least one."""
        words, others = tokenized(found), [tokenized(each) for each in references]
        self._length += len(words)
        self._wanted += min((abs(len(each) - len(words)), len(each)) for each in others)[1]
        for order in range(_ORDER):
            runs = _runs(words, order + 1)
            most: Counter[tuple[str, ...]] = Counter()
            for each in others:
                most |= _runs(each, order + 1)
            self._found[order] += sum(runs.values())
            self._shared[order] += sum((runs & most).values())

    @property
    def score(self) -> float:
        """0 where nothing is shared, and where no text has as many tokens as the longest runs."""
        if not self._shared.any() or not self._found.all():
            return 0.0
        logs, halves = 0.0, 0
        for found, shared in zip(self._found.tolist(), self._shared.tolist(), strict=True):
            halves += not shared
            logs += math.log((shared or 0.5**halves) / found)
        short = min(0.0, 1 - self._wanted / self._length)
        return 100 * math.exp(short + logs / _ORDER)


def tokenized(text: str) -> list[str]:
    """The tokens of a text, as 13a has them."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for escaped, mark in _ESCAPED.items():
        text = text.replace(escaped, mark)
    text = f" {text} "
    for pattern, parted in _PARTED:
        text = pattern.sub(parted, text)
    return text.split()


def _runs(words: list[str], length: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + length]) for at in range(len(words) - length + 1))
