"""The time that a forecast is for, written as the times of the table are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gpurnn.data.series.form import Form
from gpurnn.data.series.reader import TableReader, Wanted
from gpurnn.generation.later import later_text

HOUR = 3600
DAY = 24 * HOUR


def seconds(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


WRITTEN = [
    (["2013-12-31T05:00:00Z"], Form(order="year", zone=True), "2014-01-01T05:00:00Z"),
    (["2013-12-31 05:00"], Form(), "2014-01-01 05:00"),
    (["31.12.2013 05:00:00"], Form(order="day"), "01.01.2014 05:00:00"),
    (["12/31/13 5:00"], Form(order="month"), "01/01/14 5:00"),
    (["31/12/2013", "05:00"], Form(order="day"), "01/01/2014 05:00"),
    (["2013-12-31T06:30:00.000+01:30"], Form(zone=True), "2014-01-01T06:30:00.000+01:30"),
    (["2013-12-30T23:00-0600"], Form(zone=True), "2013-12-31T23:00-0600"),
    (["1388466000"], Form(digits="s"), "1388552400"),
    (["1388466000000"], Form(digits="ms"), "1388552400000"),
    (["31 Dec 2013 05:00"], Form(order="day"), "2014-01-01T05:00:00"),
    (["Dec 31 2013 5:00 AM GMT"], Form(zone=True), "2014-01-01T05:00:00Z"),
]


@pytest.mark.parametrize(("cells", "form", "expected"), WRITTEN)
def test_a_day_later(cells: list[str], form: Form, expected: str):
    assert later_text(cells, seconds(2013, 12, 31, 5) + DAY, form) == expected


@pytest.mark.parametrize(("cells", "form", "expected"), WRITTEN[:9])
def test_a_table_is_read_with_such_a_time(cells: list[str], form: Form, expected: str):
    name = "t" if len(cells) == 1 else "d t"
    parts = expected.split(" ") if len(cells) == 2 else [expected]
    text = ";".join([*name.split(), "x"]) + "\n" + ";".join([*parts, "1"]) + "\n"
    [record] = TableReader([text.encode()], "t.csv", Wanted(tuple(name.split()), "", ("x",)), form).records()
    assert record.time == seconds(2014, 1, 1, 5)


def test_days_without_a_time_of_day():
    assert later_text(["28/02/2012"], seconds(2012, 2, 29), Form(order="day")) == "29/02/2012"
    assert later_text(["2012-02-28"], seconds(2012, 2, 28, 6), Form()) == "2012-02-28T06:00:00"


def test_beyond_the_calendar():
    assert later_text(["9999-12-31T05:00:00"], seconds(9999, 12, 31, 5) + DAY, Form()) == ""
    assert later_text(["soon"], 2**60, Form()) == ""
