"""What is asked of frames with texts: which texts, which labels, how frames are spliced and skipped, which splits."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpurnn.data.frames.form import MAX_SKIP, MAX_SPLICE
from gpurnn.data.shares import USUAL, Shares, shares_of
from gpurnn.data.text.tokens import Kind
from gpurnn.exceptions import UsageError
from gpurnn.settings import Count, Seed, checked


@dataclass(frozen=True)
class FrameOptions:
    """How lists of files with a text each become a corpus.

    text: what the text is called in a list, None for the usual name or place. tokens: what a label is, None: chars, or
    as another corpus has it. splice, skip: see `FrameForm`; None: 0 and 1, or as another corpus has them. max_length:
    sequences of more frames are left out; None: none is. shares: of the splits, None where they come from files. seed:
    of the order of the sequences, and so of which are in which split.
    """

    text: str | None = None
    tokens: Kind | None = None
    splice: int | None = None
    skip: int | None = None
    max_length: int | None = None
    shares: Shares | None = USUAL
    seed: int = 0


def frame_options(
    *,
    text: str | None = None,
    tokens: Kind | None = None,
    splice: int | None = None,
    skip: int | None = None,
    min_count: int = 1,
    max_length: int | None = None,
    split: Sequence[float] | None = None,
    files: bool = False,
    seed: int = 0,
) -> FrameOptions:
    """The options, looked over. files: whether valid and test come from files. Raises UsageError."""
    if tokens == "bytes":
        raise UsageError("`tokens=bytes`: labels of frames are chars or words")
    if min_count != 1:
        raise UsageError(f"`min_count={min_count}`: labels of frames are kept, however rare; leave it out")
    for name, value, low, high in (("splice", splice, 0, MAX_SPLICE), ("skip", skip, 1, MAX_SKIP)):
        if value is not None and not low <= checked(f"`{name}`", int, value) <= high:
            raise UsageError(f"`{name}={value}`: expected {low} to {high:,}")
    return FrameOptions(
        checked("`text`", str | None, text),
        tokens,
        splice,
        skip,
        checked("`max_length`", Count | None, max_length),
        shares_of(split, files=files),
        checked("`seed`", Seed, seed),
    )
