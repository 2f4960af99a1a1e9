"""Dates and times of day as people write them."""

import datetime as dt

import pytest

from gpurnn.data.series.dates import NoTime, day_of, digits_form, orders_of, seconds_of_day
from gpurnn.data.series.times import Times


def seconds(text: str) -> int:
    """By Python's own reading of ISO 8601; without a zone as UTC."""
    time = dt.datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp())


@pytest.mark.parametrize(
    ("cell", "same"),
    [
        ("2013-01-31 06:00", "2013-01-31T06:00:00"),
        ("2013-01-31T06:00:07", "2013-01-31T06:00:07"),
        ("2013-01-31T06:00:07.000Z", "2013-01-31T06:00:07Z"),
        ("2013-01-31T06:00:00+01:00", "2013-01-31T06:00:00+01:00"),
        ("2013-01-31 06:00:00 -0530", "2013-01-31T06:00:00-05:30"),
        ("2013-01-31 06:00 UTC", "2013-01-31T06:00:00Z"),
        ("2013-01-31 06:00 UTC+02", "2013-01-31T06:00:00+02:00"),
        ("20130131T060007Z", "2013-01-31T06:00:07Z"),
        ("2013-01-31T06", "2013-01-31T06:00:00"),
        ("2013-01-31", "2013-01-31"),
        ("2013/1/31 6:05", "2013-01-31T06:05:00"),
        ("2013.01.31 24:00", "2013-02-01T00:00:00"),
        ("31.01.2013 06.30", "2013-01-31T06:30:00"),
        ("31/1/2013 12:05 AM", "2013-01-31T00:05:00"),
        ("31-1-13 12:05:09 p.m.", "2013-01-31T12:05:09"),
        ("31 Jan 2013, 3:05 PM", "2013-01-31T15:05:00"),
        ("31-JAN-2013 15:05", "2013-01-31T15:05:00"),
        ("31-Jan-13", "2013-01-31"),
        ("Thu, 31 January 2013 15:05:00 +0000", "2013-01-31T15:05:00Z"),
        ("Jan 31, 2013 15:05", "2013-01-31T15:05:00"),
        ("January 31st 2013", "2013-01-31"),
        ("2013-Jan-31 15:05", "2013-01-31T15:05:00"),
        ("1/2/1969 00:00", "1969-02-01T00:00:00"),
        ("29.02.2012", "2012-02-29"),
    ],
)
def test_a_cell_is_a_time(cell: str, same: str):
    assert Times("day", None, None).one(cell) == seconds(same)
    assert Times("day", None, None).one(f" {cell} ") == seconds(same)


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        (("2013-01-31", "06:00"), "2013-01-31T06:00:00"),
        (("31.1.2013", "6"), "2013-01-31T06:00:00"),
        (("20130131", "0630"), "2013-01-31T06:30:00"),
        (("31 Jan 13", "063007"), "2013-01-31T06:30:07"),
        (("31/01/13", "3:05 pm"), "2013-01-31T15:05:00"),
    ],
)
def test_two_cells_are_a_time(cells: tuple[str, str], same: str):
    assert Times("day", None, None).two(*cells) == seconds(same)


@pytest.mark.parametrize(
    ("cells", "form", "same"),
    [
        (["1359612000", "999999999"], "s", "2013-01-31T06:00:00"),
        (["1359612000000"], "ms", "2013-01-31T06:00:00"),
        (["1359612000000000"], "us", "2013-01-31T06:00:00"),
        (["1359612000000000000"], "ns", "2013-01-31T06:00:00"),
        (["20130131"], "date", "2013-01-31T00:00:00"),
        (["2013013106", "2013013107"], "date", "2013-01-31T06:00:00"),
        (["201301310600"], "date", "2013-01-31T06:00:00"),
        (["20130131060000"], "date", "2013-01-31T06:00:00"),
    ],
)
def test_cells_of_digits_are_times(cells: list[str], form: str, same: str):
    assert digits_form(cells) == form
    assert Times(None, form, None).one(cells[0]) == seconds(same)


def test_ten_digits_are_seconds_where_one_of_them_is_no_hour_of_a_day():
    assert digits_form(["2013013106", "2013013199"]) == "s"
    assert digits_form(["1", "2"]) is None
    assert Times(None, "s", None).one("1359612000.0") == seconds("2013-01-31T06:00:00")


@pytest.mark.parametrize(
    ("date", "orders"),
    [
        ("31.1.2013", ("day",)),
        ("1/31/2013", ("month",)),
        ("1/2/2013", ("day", "month")),
        ("13-01-31", ("day", "year")),
        ("31-01-13", ("day", "year")),
        ("1/31/13", ("month",)),
        ("99-01-31", ("year",)),
        ("01/02/03", ("day", "month", "year")),
        ("30.30.2013", ()),
        ("2013-01-31", None),
        ("31 Jan 2013", None),
        ("Total", None),
    ],
)
def test_the_orders_that_a_date_can_be_in(date: str, orders: tuple[str, ...] | None):
    assert orders_of(date) == orders


def test_the_order_decides():
    assert day_of("1/2/2013", "day") - day_of("2013-02-01", None) == 0
    assert day_of("1/2/2013", "month") - day_of("2013-01-02", None) == 0
    assert day_of("01/02/03", "year") - day_of("2001-02-03", None) == 0


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("", "is no time"),
        ("Total", "is no time"),
        ("12:00", "is no time"),
        ("2013", "is no time"),
        ("41275.25", "is no time"),
        ("2013-02-29", "no date of the calendar"),
        ("2013-01-31 25:00", "a time of day that there is not"),
        ("2013-01-31 12:60", "a time of day that there is not"),
        ("2013-01-31 13:00 PM", "an hour that a 12-hour clock does not have"),
        ("2013-01-31 12:00:00.5", "has a fraction of a second"),
        ("2013-01-31 12:00+17:00", "a time zone that there is not"),
        ("2013-01-31 12:00 CET", "is no time"),
        ("1/2/2013", "give `date_order=day` or `date_order=month`"),
        ("31 Foo 2013", "is no time"),
        ("0000-01-01", "no date of the calendar"),
    ],
)
def test_what_is_no_time_says_why(cell: str, told: str):
    with pytest.raises(NoTime, match=None) as caught:
        Times(None, None, None).one(cell)
    assert told in str(caught.value)


def test_times_with_and_without_a_zone_do_not_go_together():
    times = Times(None, None, None)
    times.one("2013-01-31T06:00Z")
    for cell in ("2013-01-31T06:00", "2013-01-31"):
        with pytest.raises(NoTime, match="has no time zone, unlike those before"):
            times.one(cell)
    times = Times(None, None, False)
    with pytest.raises(NoTime, match="has a time zone, unlike those before"):
        times.one("2013-01-31T06:00+01:00")


def test_every_minute_of_a_day_on_both_clocks():
    for minute in range(24 * 60):
        hour, rest = divmod(minute, 60)
        half = f"{hour % 12 or 12}:{rest:02} {'AM' if hour < 12 else 'PM'}"
        assert seconds_of_day(f"{hour}:{rest:02}")[0] == seconds_of_day(half)[0] == 60 * minute


def test_more_different_times_than_are_kept_are_read_all_the_same():
    times = Times(None, None, None)
    start = seconds("2013-01-01")
    for index in range(0, 250_000, 10):
        time = dt.datetime.fromtimestamp(start + index, dt.UTC)
        assert times.one(time.strftime("%Y-%m-%d %H:%M:%S")) == start + index


def test_a_column_of_cells_is_what_its_cells_are():
    """Cells whose time of day begins at other places than that of the first one, and one without any place for it."""
    cells = [
        "1/2/2013 9:00",
        "11/2/2013 9:00",
        "1/2/2013 19:00",
        "11/12/2013  9:00",
        "1/12/13 09:00",
        "2013-02-01T09:00",
    ]
    for first in range(len(cells)):
        rolled = [*cells[first:], *cells[:first]]
        found = Times("day", None, None).column([rolled])
        assert found.tolist() == [Times("day", None, None).one(cell) for cell in rolled]
    for cell in ("1/18/136:00 PM", "2013-01-0106:00", "1/2/2013x9:00"):
        for column in ([cell], ["1/18/13 6:00 PM", cell], ["2013-01-01 06:00", cell]):
            with pytest.raises(NoTime):
                Times("month", None, None).column([column])
    digits = ["1359612000", "1359612060", "999999999"]
    assert Times(None, "s", None).column([digits]).tolist() == [int(cell) for cell in digits]
    assert Times(None, "ms", None).column([[f"{cell}000" for cell in digits]]).tolist() == [int(c) for c in digits]
    with pytest.raises(NoTime, match="has a fraction of a second"):
        Times(None, "ms", None).column([["1359612000000", "1359612000001"]])


@pytest.mark.parametrize("odd", ["2013-01-01T\t11:00:00Z", "2013-01-01T\x0b3:00:00Z", "2013-01-01 11:00:00Z"])
def test_many_cells_are_read_as_each_by_itself(odd: str) -> None:
    cells = ["2013-01-01T10:00:00Z", odd, "2013-01-01T12:00:00Z"]
    try:
        alone = [Times(None, None, None).one(cell) for cell in cells]
    except NoTime:
        with pytest.raises(NoTime):
            Times(None, None, None).column([cells])
    else:
        assert Times(None, None, None).column([cells]).tolist() == alone
