"""What `gpurnn.prepare` and the command do with pairs of texts, and with vectors that have texts."""

from __future__ import annotations

from gpurnn.api.request import Request
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.pairs.report import PairsReport
from gpurnn.data.prepare_pairs import prepare_pairs


def prepare_pairs_or_captions(asked: Request) -> PairsReport:
    """Makes a corpus of pairs or captions. Raises UsageError, DataError, OSError (of the disk)."""
    names = ("tokens", "target_tokens", "min_count", "max_length", "split", "seed")
    options = pair_options("pairs" if asked["pairs"] else "captions", **asked.options(*names))
    more = asked.handed_on("source", "target", "vectors", "vocab_from")
    return prepare_pairs(asked["texts"], asked["output"], options, policy=asked.policy, **more)
