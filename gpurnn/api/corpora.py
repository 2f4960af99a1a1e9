"""`gpurnn.prepare`: texts, with labels or without, pairs of texts, tables, or frames with texts become a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from gpurnn.api.arguments import AnyPath, known_keywords, path_of
from gpurnn.api.preparing import Report, prepare_asked
from gpurnn.api.request import Request
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
    series: bool = False,
    time: str | Sequence[str] | None = None,
    key: str | None = None,
    columns: str | Sequence[str] | None = None,
    clock: bool | None = None,
    fill: int | None = None,
    every: str | None = None,
    columns_from: AnyPath | None = None,
    header: bool = False,
    date_order: str | None = None,
    decimal: str | None = None,
    missing: str | Sequence[str] = (),
    bad_rows: str = "stop",
    labels: bool = False,
    label_column: str | int | None = None,
    text_column: str | int | Sequence[str | int] = (),
    tags: bool = False,
    tag_column: str | int | None = None,
    pairs: bool = False,
    source: Texts = (),
    target: Texts = (),
    target_tokens: str | None = None,
    max_length: int | None = None,
    vectors: AnyPath | None = None,
    frames: bool = False,
    text: str | None = None,
    splice: int | None = None,
    skip: int | None = None,
    seed: int = 0,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Turn texts, pairs of texts, tables of series or recordings and pictures into a corpus, as `gpurnn prepare` does.

    Returns what was made: `train` and `evaluate` take it for the corpus, and printing it says what the corpus holds.
    Raises UsageError, DataError, OSError (of the disk); nothing half-written is left then.

    texts: Files and folders, one or a list of them; of a folder all files under it, in path order. Each file is a
        document. What gzip packed is unpacked; other formats than text are refused, but tokens="bytes" takes them.
    output: The corpus file to write; of a symbolic link, its target.
    force: Replace an existing output, if that is a regular file.
    tokens: What a token is: chars, bytes or words; chars unless given. Of pairs it is that of the sources.
    min_count: Words rarer than this in train become unknown.
    vocab_from: Use the tokens and the vocabulary of this corpus.
    document_separator: Cuts files into documents; without one each file is one.
    split: Parts of train, valid and test; 0.9, 0.05, 0.05 unless given, of series 0.7, 0.1, 0.2.
    valid: Text of the valid split, instead of a split by parts; of series with labels or tags its tables.
    test: Text of the test split, likewise.
    encoding: Encoding of the text; utf-8 unless given.
    errors: On bytes not in the encoding: strict, replace or ignore; strict unless given.
    newline: Make CR LF and CR one LF (lf), or keep them (keep); lf unless given.
    normalise: Unicode normal form; as it is unless given.
    lower: Make letters lower case.
    series: The files are tables of measured series, CSV or TSV, not texts.
    time: Column with the time of a row, or two: the date's and the time of day's. Of series with labels or tags it may
        be left out: rows are then steps in their order.
    key: Column that says which series a row is of; without one there is one series.
    columns: Columns of numbers; all that are numbers unless given.
    clock: Add columns that say where a row stands in the day and in the year.
    fill: Longest gap, in rows, that is filled as missing; after a longer one begins a new stretch. 3 unless given.
    every: Keep only the rows on this grid, such as 10min.
    columns_from: Take columns, scaling, interval, clock and fill of this corpus or run, and its labels or tags.
        Everything is test then, unless there is a split.
    header: The first row names the columns, though they are given by number.
    date_order: What comes first in dates like 1/2/2013, where no date decides: day, month or year.
    decimal: How 1.5 is written, where no number decides: point or comma.
    missing: What stands for a missing number besides NA, empty and the like, such as -999.
    bad_rows: On rows that are none, such as a total: stop or skip; skipped ones are counted.
    labels: Each text has a label: tables with or without a header, JSON lines, lines of fastText, or a folder with a
        folder for each label. With series each key has one, which all its rows have; keys are shuffled and then split.
    label_column: Column of the label: a name, or first, last or a number, which mean that there is no header. It is
        called label unless given. Of series it is a column of their tables.
    text_column: Column of the text, likewise; several are joined by a newline. It is called text unless given; without
        a header it is the other one of two. Of tags the column of the word; the first unless given.
    tags: Each word has a tag: columns of a word a line, a blank line after each sentence. Tokens are words as they
        stand there, unless tokens says chars. With series each row has one; a row that fills a gap has that of the row
        before, and splits are by time, or by the order of the rows without one.
    tag_column: Column of the tag: first, last or a number; last unless given. Of series its name; tag unless given.
    pairs: The files hold pairs, a source and its target: two columns with a tab between them, or JSON lines with the
        fields source and target. Pairs are shuffled and then split; those of valid and test are not shuffled.
    source: Instead of such files, those with the sources, a line each.
    target: Those with the targets, line by line; as many files as of sources, in the same order.
    target_tokens: What a token of the targets is; as tokens unless given. Words of targets, and of texts with vectors,
        are what white space parts, so that they come back exactly; words of sources are those of texts.
    max_length: Leave out pairs, and texts with vectors, of more tokens on one side, and sequences of more frames.
    vectors: Each line of the texts belongs to a vector: a .npy file with a row for each line of texts, valid and test,
        in this order. Lines are shuffled and split as pairs are.
    frames: The files are lists of other files, with a text each: JSON lines with the fields frames (or path, or
        audio_filepath) and text, or a path and a text with a tab between them. Those files are arrays (.npy, .npz: a
        row a frame), recordings (.wav: 40 bands of frequencies every 10 ms) or pictures of lines (.png: a column a
        frame). Sequences are shuffled and split as pairs are. Tokens, which are chars or words, are labels: a text may
        not have more than its file has frames.
    text: Field of the text in JSON lines, text unless given; or column of the text in a table with a header.
    splice: So many frames before each, and as many after it, stand beside it; 0 unless given.
    skip: Keep every so many-th frame, after splicing; 1, so all, unless given.
    seed: Of the order in which labelled texts, tagged sentences, pairs, texts with vectors, keys with labels and frames
        are shuffled, and then split.
    on_progress: Called with a phase, what is done of it, and the whole; 0 where that is not known.
    """
    given = dict(locals())
    checked("tokens", Annotated[str, OneOf(KINDS)] | None, tokens)
    checked("target_tokens", Annotated[str, OneOf(KINDS)] | None, target_tokens)
    files = {name: _paths(name, given[name]) for name in ("texts", "valid", "test", "source", "target")}
    file = {name: path_of(name, given[name]) for name in ("vocab_from", "vectors") if given[name] is not None}
    asked = given | files | file | {"output": path_of("output", output, file=True)}
    return prepare_asked(Request(asked, progress=on_progress))


def _paths(name: str, given: Texts) -> list[Path]:
    several = [given] if isinstance(given, str) or not isinstance(given, Sequence) else given
    return [path_of(name, each) for each in several]
