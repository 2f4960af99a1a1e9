"""What a corpus of measured series was made of: for programs in fields, for people in lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gpurnn.data.series.columns import Columns
from gpurnn.data.series.durations import in_words
from gpurnn.data.series.form import Form
from gpurnn.data.series.grid import Counts
from gpurnn.data.series.lines import shown
from gpurnn.data.told import counted
from gpurnn.exceptions import shell_word

_SHOWN = 8
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # what Python has dates for
_TOLD = 0.01
"""A column that lacks a smaller part of its numbers is not told."""


@dataclass(frozen=True)
class SplitReport:
    """rows, in documents (stretches, cut where splits end); end: the time after the last row, None without rows."""

    rows: int
    documents: int
    end: int | None


@dataclass(frozen=True)
class Left:
    """What was left out. columns: name and reason. keys: that have no row on the grid of `every`.

    rows: that are none; first: about the first of them. empty: files in folders that held nothing. names: in folders,
    not of files.
    """

    columns: Sequence[tuple[str, str]] = ()
    keys: Sequence[str] = ()
    rows: int = 0
    first: str = ""
    empty: int = 0
    names: Sequence[Path] = ()


@dataclass(frozen=True)
class SeriesReport:
    """What prepare made of measured series.

    keys: names of the series. begin, end: times of the first and the last row, seconds since 1970; None where rows have
    no time. counts: what became of rows. missing: the part of each measured column's numbers that is missing, gaps
    that were filled among them. form: how the tables were read. kind: "series", "labels" or "tags". labels: how many
    stretches, or rows, of each split have each label or tag, by its name: {"walks": {"train": 9, ...}}. longest: rows
    of the longest stretch. It stands for the corpus wherever a path of one is asked for; as a text it says all this to
    people.
    """

    output: Path
    columns: Columns
    keys: Sequence[str]
    splits: Mapping[str, SplitReport]
    begin: int | None
    end: int | None
    counts: Counts
    missing: Mapping[str, float]
    form: Form
    fingerprint: str
    sources: int = 1
    left: Left = field(default_factory=Left)
    kind: str = "series"
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    longest: int = 0

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        lines = [f"{shell_word(self.output)}: {self._columns()}, {self._series()}, {self._times()}"]
        if self.labels:
            lines.append(f"  {self.kind:<10}{self._labels()}")
        for name, split in self.splits.items():
            until = f", to {shown_time(split.end - self.columns.interval)}" if self._by_time and split.end else ""
            lines.append(f"  {name:<6}{split.rows:>15,} rows in {counted(split.documents, 'stretch', 'es')}{until}")
        if self.labels:
            lines.append(f"  longest   stretch has {counted(self.longest, 'row')}")
            lines.append(f"  columns   {_listed([shown(name) for name in self.columns.names], ', ')}")
        lines.append(f"  read      {self.form}")
        if self.columns.time:
            lines.append(f"  gaps      {self._gaps()}")
        lacking = [f"{shown(name)} {share:.1%}" for name, share in self.missing.items() if share >= _TOLD]
        if lacking:
            lines.append(f"  missing   {_listed(lacking, ', ')}")
        lines.extend(self._rows())
        lines.extend(self._left())
        return "\n".join(lines)

    def _columns(self) -> str:
        of_clock = self.columns.inputs - self.columns.measured
        clock = f" + {of_clock} of the clock" if of_clock else ""
        every = f", every {in_words(self.columns.interval)}" if self.columns.time else ""
        return f"{counted(self.columns.measured, 'column')}{clock}{every}"

    @property
    def _by_time(self) -> bool:
        return bool(self.columns.time) and self.kind != "labels"

    def _labels(self) -> str:
        """The labels or tags with their numbers in all splits, the commonest first."""
        totals = {name: sum(counts.values()) for name, counts in self.labels.items()}
        told = [f"{shown(name)} {totals[name]:,}" for name in sorted(totals, key=lambda name: -totals[name])]
        return f"{len(told):,}: {_listed(told, ', ')}"

    def _series(self) -> str:
        if not self.columns.key:
            return "1 series"
        return f"{len(self.keys):,} series ({_listed([shown(key) for key in self.keys], ' ')})"

    def _times(self) -> str:
        if self.begin is None or self.end is None:
            return "in the order of the rows"
        return f"{shown_time(self.begin)} to {shown_time(self.end)}{' UTC' if self.form.zone is not False else ''}"

    def _gaps(self) -> str:
        counts, interval = self.counts, self.columns.interval
        if not counts.gaps and not counts.breaks:
            return "none"
        filled = f"{counts.gaps:,} of up to {counted(counts.longest, 'row')} filled" if counts.gaps else "none filled"
        filled += ", with the tag of the row before" if counts.gaps and self.kind == "tags" else ""
        longest = f"more than {counted(self.columns.fill, 'row')}, {in_words(self.columns.fill * interval)}"
        breaks = f"; {counts.breaks:,} of {longest}, begin a new stretch" if counts.breaks else ""
        return filled + breaks

    def _rows(self) -> list[str]:
        counts, lines = self.counts, []
        grid = f"the grid of {in_words(self.columns.interval)}"
        if counts.identical:
            lines.append(f"{counted(counts.identical, 'row')} repeated, dropped")
        if counts.differing:
            lines.append(f"{counted(counts.differing, 'row')} with the time of one before, other numbers: left out")
        if counts.between:
            lines.append(
                f"{counted(counts.between, 'row')} left out, not on the grid of {in_words(self.columns.interval)}"
            )
        if counts.off and counts.first_off is not None:
            first = shown_time(counts.first_off[1])
            lines.append(f"{counted(counts.off, 'row')} left out, off {grid}; the first at {first}")
        if self.left.rows:
            lines.append(f"{counted(self.left.rows, 'bad row')} skipped; the first: {self.left.first}")
        return [f"  rows      {line}" for line in lines]

    def _left(self) -> list[str]:
        left, lines = self.left, []
        if left.columns:
            told = [f"{shown(name)} ({reason})" for name, reason in left.columns]
            lines.append(f"  left out  {_listed(told, ', ')}")
        if left.keys:
            lines.append(f"  left out  {_listed([shown(key) for key in left.keys], ' ')}: no row on the grid")
        if left.empty:
            lines.append(f"  left out  {counted(left.empty, 'empty file')}")
        if left.names:
            paths = _listed([shell_word(path) for path in left.names], " ")
            lines.append(f"  left out  {counted(len(left.names), 'name')} in folders, not of files: {paths}")
        return lines


def shown_time(seconds: int) -> str:
    """A time for people: 2013-01-31 06:00, with its seconds where it has any."""
    time = datetime.fromtimestamp(max(_FIRST, min(seconds, _LAST)), UTC)
    return time.strftime("%Y-%m-%d %H:%M:%S" if time.second else "%Y-%m-%d %H:%M")


def _listed(names: Sequence[str], between: str) -> str:
    more = between + f"and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return between.join(names[:_SHOWN]) + more
