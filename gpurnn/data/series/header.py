"""Whether a table begins with its header, or goes on where another one ended."""

from collections.abc import Iterator, Sequence

from gpurnn.data.series.dates import NoTime
from gpurnn.data.series.form import Form
from gpurnn.data.series.lines import rows_of
from gpurnn.data.series.numbers import Numbers, looks_like_number
from gpurnn.data.series.times import Times


def goes_on(line: str, form: Form, time: Sequence[str], columns: Sequence[str], times: Times) -> bool:
    """Whether the first line of a table is a row like those before it, not the header.

    It has a time, or numbers where rows have none, and no name. time, columns: names of the columns of both.
    """
    cells = [cell.strip() for cell in next(rows_of([line], form.delimiter), [])]
    if not form.names or len(cells) != len(form.names) or set(cells) & set(form.names):
        return False
    if not time:
        numbers = Numbers(form.decimal, form.missing, commas_divide=form.delimiter == ",")
        own = [cells[form.names.index(name)] for name in columns if name in form.names]
        return bool(own) and all(numbers.is_missing(cell) or looks_like_number(cell) for cell in own)
    try:
        times.read([cells[form.names.index(name)] for name in time])
    except (NoTime, ValueError):
        return False
    return True


def first_line(lines: Iterator[str]) -> tuple[int, str | None]:
    """How many blank lines there are, and the first one after them; None where there is none."""
    for count, line in enumerate(lines):
        if line.strip():
            return count, line
    return 0, None
