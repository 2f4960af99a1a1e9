"""What is asked of labelled texts and tagged sentences: which columns, which tokens, which splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gpurnn.data.shares import USUAL, Shares, shares_of
from gpurnn.data.text.tokens import KINDS, Kind
from gpurnn.exceptions import UsageError
from gpurnn.settings import Seed, checked

What = Literal["labels", "tags"]
"""A label a text, or a tag a word."""
POSITIONS = ("first", "last")


@dataclass(frozen=True)
class LabelledOptions:
    """How texts with labels, or sentences with tags, become a corpus.

    what: "labels" or "tags". target: the column of the label or tag, None for the usual one; texts: those of the text,
    empty for the usual ones. A column is a name, or "first", "last" or a number from 1, which mean that there is no
    header. tokens: of the text, None for the usual ones: characters of labelled texts, words of
    tagged ones. min_count: rarer words of the train split become unknown. shares: of the splits, None
    where they come from files. seed: of the order of the documents, and so of who is in which split.
    """

    what: What
    target: str | None = None
    texts: tuple[str, ...] = ()
    tokens: Kind | None = None
    min_count: int = 1
    shares: Shares | None = USUAL
    seed: int = 0

    @property
    def kind(self) -> Kind:
        """What a token is."""
        return self.tokens or ("chars" if self.what == "labels" else "words")

    @property
    def setting(self) -> str:
        """What the column of the target is called where it is asked for."""
        return "label_column" if self.what == "labels" else "tag_column"

    @property
    def by_position(self) -> bool:
        """Whether columns are given by their places."""
        return any(map(is_position, (*self.texts, *(() if self.target is None else (self.target,)))))


def labelled_options(
    what: What,
    *,
    target: str | int | None = None,
    texts: str | int | Sequence[str | int] = (),
    tokens: Kind | None = None,
    min_count: int = 1,
    split: Sequence[float] | None = None,
    files: bool = False,
    seed: int = 0,
) -> LabelledOptions:
    """The options, looked over. files: whether the valid and the test split come from files. Raises UsageError."""
    columns = _columns(texts)
    options = LabelledOptions(
        what,
        None if target is None else _column(target, "label_column" if what == "labels" else "tag_column"),
        columns,
        tokens,
        min_count,
        shares_of(split, files=files),
        checked("`seed`", Seed, seed),
    )
    _check_columns(options)
    check_tokens(options)
    return options


def check_tokens(options: LabelledOptions) -> None:
    """Raises UsageError where tokens, as far as they are known, do not go with the rest."""
    allowed = KINDS if options.what == "labels" else ("words", "chars")
    if options.kind not in allowed:
        raise UsageError(f"`tokens={options.kind}`: expected one of {', '.join(allowed)} for `{options.what}`")
    if checked("`min_count`", int, options.min_count) < 1:
        raise UsageError(f"`min_count={options.min_count}`: expected 1 or more")
    if options.min_count > 1 and options.tokens is not None and options.kind != "words":
        raise UsageError(f"`min_count={options.min_count}`: a rare-word cut-off is for a new vocabulary of words")


def _columns(texts: str | int | Sequence[str | int]) -> tuple[str, ...]:
    several = [texts] if isinstance(texts, str | int) else texts
    if not isinstance(several, Sequence):
        raise UsageError(f"`text_column`: expected names or numbers, found {type(texts).__name__}")
    return tuple(_column(each, "text_column") for each in several)


def _column(given: str | int, setting: str) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise UsageError(f"`{setting}`: expected a name or a number, found {type(given).__name__}")
    if not str(given) or (str(given).isdecimal() and int(given) < 1):
        raise UsageError(f"`{setting}={given}`: expected a name, first, last or a number from 1")
    return str(given)


def _check_columns(options: LabelledOptions) -> None:
    given = [(options.setting, options.target)] if options.target is not None else []
    given += [("text_column", name) for name in options.texts]
    names = [(setting, name) for setting, name in given if not is_position(name)]
    if options.what == "tags" and names:
        raise UsageError(f"`{names[0][0]}={names[0][1]}`: columns of tags have no header; give first, last or a number")
    if options.what == "tags" and len(options.texts) > 1:
        raise UsageError("`text_column`: a word stands in one column; give one")
    if names and len(names) < len(given):
        raise UsageError(
            f"`{names[0][0]}={names[0][1]}` is a name of a header; first, last and numbers mean that there is none"
        )
    if options.what == "labels" and options.by_position and options.target is None:
        raise UsageError("`text_column` is given by its place; give `label_column`, too")


def is_position(column: str) -> bool:
    """Whether a column is given by its place, so that there is no header."""
    return column in POSITIONS or column.isdecimal()


def place_of(column: str, width: int) -> int | None:
    """The place, from 0, of a column that is given by it, in a row of so many cells; None where it has no such one."""
    place = {"first": 0, "last": width - 1}.get(column)
    place = int(column) - 1 if place is None else place
    return place if place < width else None
