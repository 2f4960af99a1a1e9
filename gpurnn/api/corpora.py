"""`gpurnn.prepare`: texts become a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from gpurnn.api.arguments import AnyPath, known_keywords, path_of
from gpurnn.data.prepare import prepare as prepare_corpus
from gpurnn.data.report import PrepareReport
from gpurnn.data.text.tokens import KINDS
from gpurnn.settings import OneOf, checked

Texts = AnyPath | Sequence[AnyPath]


@known_keywords
def prepare(
    texts: Texts,
    output: AnyPath,
    *,
    force: bool = False,
    tokens: str | None = None,
    min_count: int = 1,
    vocab_from: AnyPath | None = None,
    document_separator: str | bytes | None = None,
    split: Sequence[float] | None = None,
    valid: Texts = (),
    test: Texts = (),
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    normalise: str | None = None,
    lower: bool | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> PrepareReport:
    """Turn text files into a corpus, as `gpurnn prepare` does.

    Returns what was made: `train` and `evaluate` take it for the corpus, and printing it says what the corpus holds.
    Raises UsageError, DataError, OSError (of the disk); nothing half-written is left then.

    texts: Files and folders, one or a list of them; of a folder all files under it, in path order. Each file is a
        document. What gzip packed is unpacked; other formats than text are refused, but tokens="bytes" takes them.
    output: The corpus file to write; of a symbolic link, its target.
    force: Replace an existing output, if that is a regular file.
    tokens: What a token is: chars, bytes or words; chars unless given.
    min_count: Words rarer than this in train become unknown.
    vocab_from: Use the tokens and the vocabulary of this corpus.
    document_separator: Cuts files into documents; without one each file is one.
    split: Parts of train, valid and test; 0.9, 0.05, 0.05 unless given.
    valid: Text of the valid split, instead of a split by parts.
    test: Text of the test split, likewise.
    encoding: Encoding of the text; utf-8 unless given.
    errors: On bytes not in the encoding: strict, replace or ignore; strict unless given.
    newline: Make CR LF and CR one LF (lf), or keep them (keep); lf unless given.
    normalise: Unicode normal form; as it is unless given.
    lower: Make letters lower case.
    on_progress: Called with a phase, what is done of it, and the whole; 0 where that is not known.
    """
    fields = {"encoding": encoding, "errors": errors, "newline": newline, "normalise": normalise, "lower": lower}
    return prepare_corpus(
        _paths("texts", texts),
        path_of("output", output, file=True),
        tokens=checked("tokens", Annotated[str, OneOf(KINDS)] | None, tokens),
        policy={name: value for name, value in fields.items() if value is not None},
        split=split,
        valid=_paths("valid", valid),
        test=_paths("test", test),
        document_separator=document_separator,
        min_count=min_count,
        vocab_from=None if vocab_from is None else path_of("vocab_from", vocab_from),
        force=force,
        progress=on_progress,
    )


def _paths(name: str, given: Texts) -> list[Path]:
    several = [given] if isinstance(given, str) or not isinstance(given, Sequence) else given
    return [path_of(name, each) for each in several]
