"""What a person can ask for of measured series, looked over before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gpurnn.data.series.columns import CLOCK, Columns
from gpurnn.data.series.dates import ORDERS
from gpurnn.data.series.durations import seconds_of
from gpurnn.data.series.form import Form
from gpurnn.data.series.numbers import DECIMALS
from gpurnn.data.series.reader import Wanted
from gpurnn.data.shares import Shares, shares_of
from gpurnn.exceptions import UsageError
from gpurnn.settings import Seed, checked

FILL = 3
SHARES: Shares = (0.7, 0.1, 0.2)
BAD_ROWS = ("stop", "skip")
Targets = Literal["labels", "tags"]
"""A label a key, or a tag a row."""
_MOST_FILLED = 10_000


@dataclass(frozen=True)
class SeriesOptions:
    """Which columns are read, how they are written, what the corpus is to be; see `series_options`.

    shares: of the splits, None where they come from files. known: the columns of another corpus or run, whose scaling
    is taken. what: "labels" where each key has one, "tags" where each row has one, None for measured series; target:
    the column of it; labels: of that other corpus or run; seed: of the order of the keys. Everything has been looked
    over.
    """

    time: tuple[str, ...]
    key: str
    columns: tuple[str, ...]
    clock: bool
    fill: int
    every: int | None
    shares: Shares | None
    header: bool
    order: str | None
    decimal: str | None
    missing: tuple[str, ...]
    skip: bool
    encoding: str
    known: Columns | None
    what: Targets | None = None
    target: str = ""
    labels: tuple[str, ...] | None = None
    seed: int = 0

    @property
    def wanted(self) -> Wanted:
        """Which columns of tables are read, as far as it is known."""
        return Wanted(self.time, self.key, self.columns, self.target, "label" if self.what == "labels" else "tag")

    def form(self) -> Form:
        """What is known of how the tables are written."""
        return Form(
            decimal=self.decimal,
            order=self.order,
            missing=self.missing,
            header=self.header,
            encoding=self.encoding,
        )


def series_options(
    *,
    time: str | Sequence[str] | None = None,
    key: str | None = None,
    columns: str | Sequence[str] | None = None,
    clock: bool | None = None,
    fill: int | None = None,
    every: str | None = None,
    split: Sequence[float] | None = None,
    header: bool = False,
    date_order: str | None = None,
    decimal: str | None = None,
    missing: str | Sequence[str] = (),
    bad_rows: str = "stop",
    encoding: str | None = None,
    columns_from: Columns | None = None,
    what: Targets | None = None,
    target: str | int | None = None,
    labels: tuple[str, ...] | None = None,
    seed: int = 0,
    files: bool = False,
) -> SeriesOptions:
    """The options, with what is not given: of `columns_from` all that it says, else the defaults.

    time: one column or two, the date's and the time of day's. columns: of numbers; all that are unless given.
    fill: the longest gap, in rows, that is filled as missing. every: keeps the rows on a grid, "10min". split: parts
    of train, valid and test, by time; with `columns_from` everything is test unless given. header: of a table whose
    columns are all given by number. missing: what else stands for a missing number. bad_rows: "stop" or "skip".
    what: "labels" or "tags"; these need no time, rows are in order then. target: the column of them; "label" or "tag"
    unless given. labels: those of `columns_from`, if it has any. files: whether valid and test, of labels or tags, come
    from files. Raises UsageError.
    """
    known = columns_from
    if known is not None:
        for name, value in (("columns", columns), ("clock", clock), ("fill", fill), ("every", every)):
            if value is not None:
                raise UsageError(f"`{name}` contradicts `columns_from`, which says it; leave it out")
    other = known_form(known)
    own_time = _names("time", time) or (known.time if known is not None else ())
    if not own_time and what is None:
        raise UsageError("`series` needs to know the column of the time; give `time=COLUMN`")
    if not own_time:
        for name, value in (("clock", clock), ("fill", fill), ("every", every), ("date_order", date_order)):
            if value is not None:
                raise UsageError(f"`{name}` is about the time of rows; give `time`, too")
    if len(own_time) > 2:
        raise UsageError(f"`time`: expected one column, or two for date and time of day, found {len(own_time)}")
    own_key = checked("`key`", str, key) if key is not None else known.key if known is not None else ""
    own_columns = known.names[: known.measured] if known is not None else _names("columns", columns)
    own_target = _target(what, target)
    _check_what(what, own_key, seed, known is not None and labels is None and split is None and not files)
    names = (*own_time, *(name for name in (own_key, own_target) if name), *own_columns)
    _check_names(names, bool(clock))
    return SeriesOptions(
        time=own_time,
        key=own_key,
        columns=own_columns,
        clock=known.clock if known is not None else bool(clock),
        fill=known.fill if known is not None else _fill(fill),
        every=None if every is None else seconds_of(every, "every"),
        shares=shares_of(split, files=files, usual=SHARES if known is None else (0.0, 0.0, 1.0)),
        header=header or not all(name.isdecimal() for name in names),
        order=_one_of("date_order", date_order, ORDERS),
        decimal=_one_of("decimal", decimal, tuple(DECIMALS)),
        missing=tuple(dict.fromkeys((*_names("missing", missing, several=False), *(other.missing if other else ())))),
        skip=_one_of("bad_rows", bad_rows, BAD_ROWS) == "skip",
        encoding=encoding or (other.encoding if other else "utf-8"),
        known=known,
        what=what,
        target=own_target,
        labels=labels,
        seed=checked("`seed`", Seed, seed),
    )


def known_form(known: Columns | None) -> Form | None:
    """How the tables of another corpus were written, where that can be read."""
    return None if known is None or not known.form else Form.from_json(dict(known.form))


def _target(what: Targets | None, given: str | int | None) -> str:
    """The column of the label or tag; empty where there is none."""
    if what is None:
        return ""
    noun = what.removesuffix("s")
    if given is None:
        return noun
    [name] = _names(f"{noun}_column", str(given) if type(given) is int else given, several=False)  # type: ignore[arg-type]
    if not name:
        raise UsageError(f"`{noun}_column` is empty; give the name of a column")
    return name


def _check_what(what: Targets | None, key: str, seed: int, bare: bool) -> None:
    """bare: whether scaling comes from another corpus that has no labels, so that nothing is in train."""
    if what == "labels" and not key:
        raise UsageError(
            "`labels` of `series` are of keys; give `key`, the column that says which sequence a row is of"
        )
    if what == "tags" and seed:
        raise UsageError(f"`seed={seed}`: series with `tags` are split by time, nothing is shuffled; leave it out")
    if what is not None and bare:
        raise UsageError(f"what `columns_from` names has no {what}; name a corpus or run of {what}, or give `split`")


def _names(name: str, given: str | Sequence[str] | None, *, several: bool = True) -> tuple[str, ...]:
    """Names of columns; one text is one, or some with commas between them."""
    if given is None:
        return ()
    if isinstance(given, str):
        given = given.split(",") if several else (given,)
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise UsageError(f"`{name}`: expected names of columns, found {given!r:.60}")
    names = tuple(each.strip() for each in given)
    if several and not all(names):
        raise UsageError(f"`{name}={','.join(names)}`: a name is empty")
    return names


def _check_names(names: tuple[str, ...], clock: bool) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"the column {name!r:.60} is asked for twice; leave one out")
    if clock and (own := [name for name in CLOCK if name in names]):
        raise UsageError(f"the column {own[0]!r} has the name of one that `clock` makes; give it another one")


def _fill(given: int | None) -> int:
    if given is None:
        return FILL
    fill = int(checked("`fill`", int, given))
    if not 0 <= fill <= _MOST_FILLED:
        raise UsageError(f"`fill={fill}`: expected rows, 0 to {_MOST_FILLED:,}")
    return fill


def _one_of(name: str, given: Any, allowed: tuple[str, ...]) -> str | None:
    if given is not None and given not in allowed:
        raise UsageError(f"`{name}={given!s:.40}`: expected one of {', '.join(allowed)}")
    return None if given is None else str(given)
