"""Makes a corpus from texts in bounded memory: a pass over the texts into a spool, another over the spool."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.packing import Packer, count_ids
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.spool import Spool
from gpurnn.data.corpus.writer import Progress, new_corpus
from gpurnn.data.report import PrepareReport
from gpurnn.data.shares import Shares, shares_of
from gpurnn.data.text.decoding import PREPARE_ADVICE, Losses, as_bytes, as_text, text_decoder
from gpurnn.data.text.inputs import Source, check_sources, find_sources
from gpurnn.data.text.text import read_pieces
from gpurnn.data.text.tokenise import TOKENISERS, Tokeniser
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.data.vocabulary import find_vocabulary, policy_like, refuse_policy_of_bytes
from gpurnn.exceptions import DataError, UsageError
from gpurnn.files.errors import named_if_nameless, reported_as
from gpurnn.files.output import find_output
from gpurnn.files.temporary import sweep_beside
from gpurnn.settings import checked

Bounds = tuple[int, int, int, int]
"""The splits train, valid and test lie between neighbours of these token positions."""
_SHOWN = 10


def prepare(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    tokens: Kind | None = None,
    policy: Mapping[str, Any] | None = None,
    split: Sequence[float] | None = None,
    valid: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    document_separator: str | bytes | None = None,
    min_count: int = 1,
    vocab_from: str | Path | None = None,
    force: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Writes a corpus from texts; nothing is left behind when it fails, nor what one left that was killed before.

    inputs: files, folders, or "-" for `stdin`; each file is a document, or is cut into documents at
    `document_separator`. Gzip data are unpacked; of tokens "bytes" all other formats are taken as they are, else
    they are refused. tokens: "chars" (default), "bytes" or "words".
    policy: fields of TextPolicy that differ from the default (or from the policy of `vocab_from`).
    split: fractions of train, valid and test, (0.9, 0.05, 0.05) unless given; or none of it and files for `valid`
    and `test`. min_count: words rarer than this in the train split become the unknown symbol.
    vocab_from: a corpus whose vocabulary is used instead of a new one.
    force: whether an existing output is replaced (see `gpurnn.files.output`). Raises UsageError, DataError,
    OSError (of the disk).
    """
    target = Path(output)
    with reported_as(DataError, f"cannot write {target}"):
        place = find_output(target, replace=force)
    given = _given_vocabulary(vocab_from, tokens, policy or {})
    kind = given.vocabulary.kind if given.vocabulary is not None else tokens or "chars"
    _check_options(kind, given, min_count, policy or {})
    text_decoder(given.policy)
    separator = _separator(document_separator, kind, given.policy)
    fractions = shares_of(split, files=bool(valid or test))
    passed_over: list[Path] = []
    groups = [find_sources(given, passed_over) for given in (inputs, valid, test)]
    check_sources(groups[0], [*groups[1], *groups[2]], target, "text")
    job = _Job(kind, given, min_count, separator, stdin, progress or (lambda phase, done, whole: None))
    sweep_beside(place)
    with reported_as(DataError, f"cannot write {target}"):
        spool = Spool(place.parent)
    with named_if_nameless(target), closing(spool):
        bounds = job.read(groups, fractions, spool)
        return replace(job.write(spool, bounds, target, force, groups), passed_over=passed_over)


@dataclass(frozen=True)
class _Given:
    """The text policy, and the vocabulary that is used instead of a new one."""

    policy: TextPolicy
    vocabulary: Vocabulary | None


def _given_vocabulary(source: str | Path | None, tokens: Kind | None, fields: Mapping[str, Any]) -> _Given:
    if source is None:
        return _Given(replace(TextPolicy(), **fields), None)
    with Corpus.open(source) as other:
        return _Given(policy_like(other, source, tokens, fields), other.vocabulary)


def _check_options(kind: Kind, given: _Given, min_count: int, fields: Mapping[str, Any]) -> None:
    if checked("`min_count`", int, min_count) < 1 or (
        min_count > 1 and (kind != "words" or given.vocabulary is not None)
    ):
        raise UsageError(f"`min_count={min_count}`: a rare-word cut-off is for a new vocabulary of words, 1 or more")
    refuse_policy_of_bytes(kind, fields)


def _separator(given: str | bytes | None, kind: Kind, policy: TextPolicy) -> str | bytes | None:
    """The separator as it stands in the texts that are cut."""
    if given is None:
        return None
    if not isinstance(given, str | bytes):
        raise UsageError(f"`document_separator`: expected a text, found {type(given).__name__}")
    if not given:
        raise UsageError("`document_separator` is empty; leave it out to make each file one document")
    return as_bytes(given) if kind == "bytes" else as_text(given, "`document_separator`", policy, PREPARE_ADVICE)


@dataclass
class _Job:
    """One run of prepare."""

    kind: Kind
    given: _Given
    min_count: int
    separator: str | bytes | None
    stdin: IO[bytes] | None
    progress: Progress
    empty: int = 0
    losses: Losses = field(default_factory=Losses)
    tokeniser: Tokeniser = field(init=False)

    def __post_init__(self) -> None:
        self.tokeniser = TOKENISERS[self.kind]()

    def read(self, groups: list[list[Source]], fractions: Shares | None, spool: Spool) -> Bounds:
        """Spools the provisional ids of all texts; returns where the splits lie."""
        whole = sum(source.size for group in groups for source in group)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.progress("reading", done, whole)

        edges = [0]
        policy = None if self.kind == "bytes" else self.given.policy
        for group in groups:
            for source in group:
                before = done
                for pieces in read_pieces(source, policy, self.separator, self.stdin, advance, losses=self.losses):
                    spool.append(*self.tokeniser.feed(pieces))
                if done == before:
                    if source.named:
                        raise DataError(f"{source.label}: the text is empty")
                    self.empty += 1
            spool.append(*self.tokeniser.finish())
            edges.append(spool.tokens)
        if fractions is None:
            return edges[0], edges[1], edges[2], edges[3]
        n = spool.tokens
        train = int(fractions[0] * n)
        return 0, train, n if fractions[2] == 0 else max(train, int((fractions[0] + fractions[1]) * n)), n

    def write(
        self, spool: Spool, bounds: Bounds, target: Path, force: bool, groups: list[list[Source]]
    ) -> PrepareReport:
        """Makes the vocabulary, writes and verifies the file, and gives it its name."""
        if bounds[1] < 2:
            raise DataError(
                f"the train split has {bounds[1]} {self.kind} of {bounds[3]}, expected 2 or more; give more text"
            )
        inside, outside = count_ids(spool, 0, bounds[1]), count_ids(spool, bounds[1], bounds[3])
        vocabulary, table = find_vocabulary(
            self.kind, self.given.vocabulary, self.tokeniser, inside, outside, self.min_count
        )
        with new_corpus(target, replace=force, progress=self.progress) as writer:
            pack = Packer(writer, vocabulary, table, inside, spool, self.progress)
            sizes = {n: pack.split(n, bounds[i], bounds[i + 1]) for i, n in enumerate(SPLITS)}
            manifest = pack.finish(sizes, self.given.policy)
        missing, examples = self._missing(vocabulary, inside + outside)
        return PrepareReport(
            output=target,
            kind=self.kind,
            symbols=len(vocabulary),
            splits=sizes,
            unknown=pack.unknown,
            unknown_symbols=missing,
            unknown_examples=examples,
            sources=sum(len(group) for group in groups),
            empty=self.empty,
            fingerprint=manifest.fingerprint,
            wrong_bytes=self.losses.wrong_bytes,
            replacements=self.losses.replacements,
            damaged=self.losses.damaged,
            separators=None if self.separator is None else self.losses.cuts,
        )

    def _missing(self, vocabulary: Vocabulary, counts: NDArray[np.int64]) -> tuple[int, list[Any]]:
        """How many different symbols became the unknown one, and the commonest of them."""
        known = self.tokeniser.provisional(list(vocabulary.symbols))
        counts = counts.copy()
        counts[known[(known >= 0) & (known < len(counts))]] = 0
        missing = np.flatnonzero(counts)
        commonest = missing[np.argsort(-counts[missing], kind="stable")][:_SHOWN]
        return len(missing), list(self.tokeniser.symbols(commonest))
