"""What pairs and captions take from another corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.data.pairs.options import PairOptions
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.data.vocabulary import expect_tokens, policy_like, refuse_policy_of_bytes
from gpurnn.exceptions import UsageError


@dataclass(frozen=True)
class Given:
    """The text policy, and of each side what its tokens are and what is used instead of a new vocabulary.

    source: None of captions.
    """

    policy: TextPolicy
    target: Kind
    source: Kind | None = None
    vocabulary: Vocabulary | None = None
    source_vocabulary: Vocabulary | None = None


def given_by(source: str | Path | None, options: PairOptions, fields: Mapping[str, Any]) -> Given:
    """What the corpus `vocab_from` gives: tokens and vocabularies of both sides, and the policy.

    fields: of the text policy. Raises UsageError where options contradict it; DataError, CorpusError.
    """
    pairs, tokens = options.what == "pairs", options.tokens
    if source is None:
        first: Kind = tokens or "chars"
        target = options.target_tokens or first
        return _checked(Given(replace(TextPolicy(), **fields), target, first if pairs else None), options, fields)
    with Corpus.open(source) as other:
        vocabulary, sources = other.vocabulary, other.source_vocabulary if pairs else None
        if sources is not None:
            expect_tokens("tokens", tokens, sources, source)
        expect_tokens(*(("target_tokens", options.target_tokens) if pairs else ("tokens", tokens)), vocabulary, source)
        policy = policy_like(other, source, None, fields)
        if options.min_count > 1:
            raise UsageError(f"`min_count={options.min_count}`: a rare-word cut-off is for a new vocabulary")
        kind = None if sources is None else sources.kind
        return _checked(Given(policy, vocabulary.kind, kind, vocabulary, sources), options, fields)


def _checked(given: Given, options: PairOptions, fields: Mapping[str, Any]) -> Given:
    kinds = {given.target, given.source or given.target}
    if options.min_count > 1 and "words" not in kinds:
        raise UsageError(f"`min_count={options.min_count}`: a rare-word cut-off is for a new vocabulary of words")
    if kinds == {"bytes"}:
        refuse_policy_of_bytes("bytes", fields)
    return given
