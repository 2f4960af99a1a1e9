"""What frames with texts take from another corpus of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.options import FrameOptions
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.text.tokens import Kind, TextPolicy
from gpurnn.data.vocabulary import expect_policy, expect_tokens
from gpurnn.exceptions import UsageError, shell_word


@dataclass(frozen=True)
class Given:
    """The text policy, what a label is, how frames are spliced and skipped, and what is used instead of new ones."""

    policy: TextPolicy
    tokens: Kind
    splice: int
    skip: int
    like: Transcription | None = None


def given_by(source: str | Path | None, options: FrameOptions, fields: Mapping[str, Any]) -> Given:
    """What the corpus `vocab_from` gives: labels, policy, scaling and form.

    fields: of the text policy. Raises UsageError where options contradict it; DataError, CorpusError.
    """
    if source is None:
        policy = replace(TextPolicy(), **fields)
        return Given(policy, options.tokens or "chars", options.splice or 0, options.skip or 1)
    with Corpus.open(source) as other:
        like = Transcription.of(other)
    expect_tokens("tokens", options.tokens, like.vocabulary, source)
    for name in ("splice", "skip"):
        asked, there = getattr(options, name), getattr(like.form, name)
        if asked is not None and asked != there:
            raise UsageError(f"`{name}={asked}` contradicts `vocab_from={shell_word(source)}`, which has {there}")
    policy = expect_policy(like.policy, source, fields)
    return Given(policy, like.vocabulary.kind, like.form.splice, like.form.skip, like)
