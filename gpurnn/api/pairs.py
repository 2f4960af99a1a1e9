"""What `gpurnn.prepare` and the command do with pairs of texts, and with vectors that have texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gpurnn.data.pairs.options import pair_options
from gpurnn.data.pairs.report import PairsReport
from gpurnn.data.prepare_pairs import prepare_pairs

Paths = Sequence[str | Path]


def prepare_pairs_or_captions(
    texts: Paths,
    output: Path,
    given: Mapping[str, Any],
    *,
    source: Paths,
    target: Paths,
    vectors: str | Path | None,
    policy: Mapping[str, Any],
    valid: Paths,
    test: Paths,
    vocab_from: str | Path | None,
    force: bool,
    stdin: IO[bytes] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PairsReport:
    """Makes a corpus of pairs or captions. given: the arguments of `gpurnn.prepare`; policy: those of the text policy.

    Raises UsageError, DataError, OSError (of the disk).
    """
    options = pair_options(
        "pairs" if given["pairs"] else "captions",
        tokens=given["tokens"],
        target_tokens=given["target_tokens"],
        min_count=given["min_count"],
        max_length=given["max_length"],
        split=given["split"],
        files=bool(valid or test),
        seed=given["seed"],
    )
    return prepare_pairs(
        texts,
        output,
        options,
        source=source,
        target=target,
        vectors=vectors,
        policy=policy,
        valid=valid,
        test=test,
        vocab_from=vocab_from,
        force=force,
        stdin=stdin,
        progress=progress,
    )
