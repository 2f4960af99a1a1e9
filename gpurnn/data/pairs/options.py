"""What is asked of pairs and captions: which tokens, how long, which splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gpurnn.data.shares import USUAL, Shares, shares_of
from gpurnn.data.text.tokens import Kind
from gpurnn.exceptions import UsageError
from gpurnn.settings import Count, Seed, checked

What = Literal["pairs", "captions"]


@dataclass(frozen=True)
class PairOptions:
    """How pairs of texts, or vectors with texts, become a corpus.

    tokens: of the sources, or of captions; target_tokens: of the targets, None: as `tokens`. min_count: rarer words of
    the train split become unknown. max_length: pairs with more tokens on one side are left out; None: none is. shares:
    of the splits, None where they come from files. seed: of the order of the pairs, and so of which are in which split.
    """

    what: What
    tokens: Kind | None = None
    target_tokens: Kind | None = None
    min_count: int = 1
    max_length: int | None = None
    shares: Shares | None = USUAL
    seed: int = 0


def pair_options(
    what: What,
    *,
    tokens: Kind | None = None,
    target_tokens: Kind | None = None,
    min_count: int = 1,
    max_length: int | None = None,
    split: Sequence[float] | None = None,
    files: bool = False,
    seed: int = 0,
) -> PairOptions:
    """The options, looked over. files: whether valid and test come from files. Raises UsageError."""
    if checked("`min_count`", int, min_count) < 1:
        raise UsageError(f"`min_count={min_count}`: expected 1 or more")
    return PairOptions(
        what,
        tokens,
        target_tokens,
        min_count,
        checked("`max_length`", Count | None, max_length),
        shares_of(split, files=files),
        checked("`seed`", Seed, seed),
    )
