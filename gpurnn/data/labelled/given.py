"""What labelled texts take from another corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.options import LabelledOptions, check_tokens
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.data.vocabulary import policy_like, refuse_policy_of_bytes
from gpurnn.exceptions import UsageError


@dataclass(frozen=True)
class Given:
    """Options with their tokens, the text policy, and what is used instead of a new vocabulary and new labels."""

    options: LabelledOptions
    policy: TextPolicy
    vocabulary: Vocabulary | None = None
    labels: tuple[str, ...] | None = None


def given_by(source: str | Path | None, options: LabelledOptions, fields: Mapping[str, Any]) -> Given:
    """What the corpus `vocab_from` gives: tokens, vocabulary, policy and, if it is of the same kind, its labels.

    fields: of the text policy. Raises UsageError where options contradict it, DataError, CorpusError.
    """
    if source is None:
        return _checked(Given(replace(options, tokens=options.kind), replace(TextPolicy(), **fields)), fields)
    with Corpus.open(source) as other:
        policy = policy_like(other, source, options.tokens, fields)
        if options.min_count > 1:
            raise UsageError(f"`min_count={options.min_count}`: a rare-word cut-off is for a new vocabulary")
        labels = other.labels if other.kind == options.what else None
        found = Given(replace(options, tokens=other.vocabulary.kind), policy, other.vocabulary, labels)
        return _checked(found, fields)


def _checked(given: Given, fields: Mapping[str, Any]) -> Given:
    check_tokens(given.options)
    refuse_policy_of_bytes(given.options.kind, fields)
    return given
