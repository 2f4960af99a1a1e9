"""Tables of measured series: row by row and in blocks, and what is found out about how they are written."""

import io
import math
from collections.abc import Iterator

import numpy as np
import pytest

from gpurnn.data.series.form import Form
from gpurnn.data.series.reader import BadRow, TableReader, Wanted
from gpurnn.data.series.sniff import find_form
from gpurnn.exceptions import DataError

DAY = 86_400
START = 1_356_998_400  # 2013-01-01T00:00:00Z
NAN = math.nan
PLAIN = "time,key,a,b\n2013-01-01T00:00,x,1,2.5\n2013-01-01T01:00,y,NA,-3\n"
WANTED = Wanted(("time",), "key", ("a", "b"))
FORM = Form()


def read(text: str | bytes, wanted: Wanted, form: Form = FORM, *, size: int = 1 << 20, skip: bool = False):
    """Every row as (line, key, time, values): row by row, after a look that reading in blocks gives the same."""
    data = text.encode() if isinstance(text, str) else text

    def pieces() -> Iterator[bytes]:
        return (data[i : i + size] for i in range(0, len(data), size))

    records = list(TableReader(pieces(), "t.csv", wanted, form, skip=skip).records())
    blocks = list(TableReader(pieces(), "t.csv", wanted, form, skip=skip).blocks())
    assert [record.time for record in records] == [int(time) for block in blocks for time in block.times]
    if wanted.key:
        assert [record.key for record in records] == [key for block in blocks for key in block.keys]
    if wanted.target:
        told = [each for block in blocks for each in zip(block.targets, block.lines, strict=True)]
        assert [(record.target, record.line) for record in records] == told
    values = [row for block in blocks for row in block.values]
    for record, row in zip(records, values, strict=True):
        np.testing.assert_array_equal(record.values.astype(np.float32), row)
    return [(r.line, r.key, r.time, r.values.tolist()) for r in records]


def found(text: str, wanted: Wanted, given: Form = FORM):
    return find_form([("t.csv", lambda: [text.encode()])], wanted, given)


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_rows_are_read_whatever_divides_cells_and_lines(size: int, ending: str, delimiter: str, start: str):
    text = start + PLAIN.replace(",", delimiter)
    data = text.replace("\n", ending).encode()
    first = 2 + start.count("\n")
    expected = [(first, "x", START, [1, 2.5]), (first + 1, "y", START + 3600, [NAN, -3])]
    np.testing.assert_equal(read(data, WANTED, size=size), expected)


def test_quotes_are_those_of_rfc_4180():
    text = 'time,"the ""key""",a\r\n"2013-01-01","one, two\r\nthree "" four","1.5"\r\n2013-01-02,x,2\r\n'
    rows = read(text, Wanted(("time",), 'the "key"', ("a",)))
    assert rows == [(2, 'one, two\r\nthree " four', START, [1.5]), (4, "x", START + DAY, [2])]


def test_with_tabs_there_is_no_quoting():
    text = 'time\tkey\ta\n2013-01-01\t"x\t1\n2013-01-02\ty"\t2\n'
    assert read(text, Wanted(("time",), "key", ("a",))) == [(2, '"x', START, [1]), (3, 'y"', START + DAY, [2])]


def test_a_record_comes_as_soon_as_its_line_is_whole():
    sent = []

    def pipe() -> Iterator[bytes]:
        for line in (b"time,a\n", b"2013-01-01,1\n", b"2013-01-02,2\n", b"time,a\n", b"2013-01-03,3\n"):
            sent.append(line)
            yield line

    reader = TableReader(pipe(), "pipe", Wanted(("time",), "", ("a",)), Form())
    assert (reader.header, len(sent)) == (["time", "a"], 1)
    for count, record in zip((2, 3, 5), reader.records(), strict=True):
        assert len(sent) == count
        assert record.cells[0] == sent[-1][:10].decode()


def test_blank_rows_and_the_header_sent_again_are_passed_over():
    text = "time;a\n2013-01-01;1\n\n;\n  ;  \ntime;a\n2013-01-02;2\n"
    assert read(text, Wanted(("time",), "", ("a",))) == [(2, "", START, [1]), (7, "", START + DAY, [2])]


def test_a_table_without_a_header_has_columns_by_number():
    form = Form(header=False, delimiter=";")
    rows = read("2013-01-01;x;1\n2013-01-02;y;2\n", Wanted(("1",), "2", ("3",)), form)
    assert rows == [(1, "x", START, [1]), (2, "y", START + DAY, [2])]


def test_the_encoding_is_what_it_is_said_to_be():
    text = "Zeit;Größe\n2013-01-01;1\n".encode("latin-1")
    assert read(text, Wanted(("Zeit",), "", ("Größe",)), Form(encoding="latin-1"))[0][3] == [1]
    with pytest.raises(DataError, match=r"t.csv: byte 7 \(f6\) is not utf-8: .*; give the right `encoding`"):
        read(text, Wanted(("Zeit",), "", ("Größe",)))


def test_cells_that_are_empty_beyond_the_header_are_passed_over():
    assert read("time,a\n2013-01-01,1,\n", Wanted(("time",), "", ("a",))) == [(2, "", START, [1])]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            "Total,x,1,2",
            "t.csv, line 4, column time: 'Total' is no time; correct the row or leave it out, or give",
        ),
        ("2013-01-02,x,warm,2", "t.csv, line 4, column a: 'warm' is no number; correct"),
        ("2013-01-02,x,1,inf", "t.csv, line 4, column b: 'inf' is infinite; correct"),
        ("2013-01-02,x,1,1e40", "t.csv, line 4, column b: '1e40' is larger than a number of 32 bits can be; correct"),
        ("2013-01-02,x,1", "t.csv, line 4: it has 3 cells, expected 4; correct"),
        ("2013-01-02,x,1,2,3", "t.csv, line 4: it has 5 cells, expected 4; correct"),
        ("2013-01-02,,1,2", "t.csv, line 4, column key: '' names no series; correct"),
        ("2013-01-02T00:00Z,x,1,2", "line 4, column time: '2013-01-02T00:00Z' has a time zone, unlike those before"),
        ("1/2/2013 00:00,x,1,2", "may have the day or the month first; give `date_order=day` or `date_order=month`"),
    ],
)
def test_a_row_that_is_none_is_told_with_its_place(rows: str, told: str):
    text = f"{PLAIN}{rows}\n2013-01-03 00:00,x,1,2\n"
    for read_all in (TableReader.records, TableReader.blocks):
        with pytest.raises(BadRow) as caught:
            list(read_all(TableReader([text.encode()], "t.csv", WANTED, Form())))
        assert told in str(caught.value)
        reader = TableReader([text.encode()], "t.csv", WANTED, Form(), skip=True)
        assert sum(1 if read_all is TableReader.records else len(found.times) for found in read_all(reader)) == 3
        assert reader.skipped == 1
        assert told.split("; correct")[0] in reader.first_skipped


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(("tme",)), "t.csv: there is no column 'tme' for `time`; did you mean time?"),
        (Wanted(("time",), "place"), "for `key`; its columns are time, key, a, b"),
        (Wanted(("time",), "key", ("a", "c")), "there is no column 'c' for `columns`; its columns are"),
    ],
)
def test_a_column_that_is_not_there_is_told(wanted: Wanted, told: str):
    with pytest.raises(DataError) as caught:
        TableReader([PLAIN.encode()], "t.csv", wanted, Form())
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.csv: the table is empty"),
        ("\n \n", "t.csv: the table is empty"),
        ("time,a,a\n2013-01-01,1,2\n", "2 columns are called 'a'; give each a name of its own"),
        ("hello\nworld\n", "no , ; tab or | divides its first line, 'hello'"),
        ('time,a\n"2013-01-01,1\n' + "x" * 200_000, "is a quotation mark left open?"),
    ],
)
def test_what_is_no_table_is_told(text: str, told: str):
    with pytest.raises(DataError) as caught:
        list(TableReader([text.encode()], "t.csv", Wanted(("time",), "", ("a",)), Form()).blocks())
    assert told in str(caught.value)


def test_a_line_without_end_is_refused_before_memory_is_full():
    with pytest.raises(DataError, match=r"a line is longer than 16,777,216 characters"):
        TableReader((b"x" * (1 << 20) for _ in range(1 << 20)), "t.csv", WANTED, Form())


def days(form: str, count: int, first: int = 0) -> list[str]:
    start = np.datetime64("2013-01-01")
    dates = [str(start + day).split("-") for day in range(first, first + count)]
    return [form.format(y=y, m=int(m), d=int(d), yy=y[2:]) for y, m, d in dates]


@pytest.mark.parametrize(
    ("form", "order"),
    [("{d}/{m}/{y}", "day"), ("{m}/{d}/{y}", "month"), ("{d}.{m}.{y}", "day"), ("{m}/{d}/{yy}", "month")],
)
@pytest.mark.parametrize("count", [13, 400, 20_000])
def test_the_order_of_dates_is_decided_by_any_of_them(form: str, order: str, count: int):
    """Of the first rows all have a day up to 12; the one that decides is the last."""
    rows = [date for date in days(form, 12) for _ in range(max(1, count // 13))] + days(form, 1, 12)
    text = "t,a\n" + "".join(f"{date},1\n" for date in rows)
    result = found(text, Wanted(("t",)))
    assert result.form.order == order
    times = [time for _, _, time, _ in read(text, Wanted(("t",), "", result.columns), result.form)]
    assert (times[0], times[-1]) == (START, START + 12 * DAY)


@pytest.mark.parametrize(
    ("form", "ways"),
    [("{d}/{m}/{y}", "day month"), ("{d}/{m}/{yy}", "day month"), ("{d:02}.{m:02}.{yy}", "day month year")],
)
def test_an_order_that_nothing_decides_is_asked_for(form: str, ways: str):
    text = "t,a\n" + "".join(f"{date},1\n" for date in days(form, 12))
    with pytest.raises(DataError) as caught:
        found(text, Wanted(("t",)))
    assert str(caught.value).endswith("give " + " or ".join(f"`date_order={way}`" for way in ways.split()))
    assert found(text, Wanted(("t",)), Form(order="month")).form.order == "month"


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [(["1,5", "2"], "comma"), (["1.5", "2"], "point"), (["1.234", "1,5"], "comma"), (["1,234", "0,5"], "comma")],
)
def test_the_decimal_is_decided_by_any_number(cells: list[str], decimal: str):
    rows = [cells[0]] * 12_000 + [cells[1]]
    text = "t;a\n" + "".join(f"2013-01-01;{cell}\n" for cell in rows)
    assert found(text, Wanted(("t",))).form.decimal == decimal


def test_a_decimal_that_nothing_decides_is_asked_for():
    with pytest.raises(DataError, match=r"'1,234' has a decimal or a thousands separator, .*`decimal=comma`"):
        found("t;a\n2013-01-01;5\n2013-01-02;1,234\n", Wanted(("t",)))
    assert found('t,a\n2013-01-01,"1,234"\n2013-01-01,1.5\n', Wanted(("t",))).form.decimal == "point"


def test_all_columns_of_numbers_are_taken_and_the_others_named():
    text = "id,t,place,a,note,b,\n1,2013-01-01,x,NA,,0.5,\n2,2013-01-02,x,3,wet,1e3,\n"
    result = found(text, Wanted(("t",), "place"))
    assert result.columns == ("id", "a", "b")
    assert result.others == (("note", "wet"),)
    with pytest.raises(DataError, match="no column but the time's is numbers"):
        found("t,a\n2013-01-01,x\n", Wanted(("t",)))


def test_what_is_found_in_one_table_is_looked_for_in_the_next():
    first, second = ("t,a\n" + "".join(f"{d},1\n" for d in days("{d}/{m}/{y}", 5, k)) for k in (0, 10))
    tables = [("1.csv", lambda: [first.encode()]), ("2.csv", lambda: [second.encode()])]
    assert find_form(tables, Wanted(("t",)), Form()).form.order == "day"


def test_a_form_goes_through_json():
    form = Form(";", "comma", "day", None, False, ("-999",), True, "latin-1")
    assert Form.from_json(form.to_json()) == form
    assert str(form) == "; between cells, decimal comma, dates with the day first, times without a zone"
    for wrong in ({}, form.to_json() | {"decimal": "dot"}, form.to_json() | {"zone": 1}, form.to_json() | {"x": 1}):
        with pytest.raises(DataError, match="form of a table"):
            Form.from_json(wrong)


def test_lines_of_a_file_are_blocks_too():
    lines = io.BytesIO(PLAIN.encode())
    assert len(list(TableReader(lines, "t.csv", WANTED, Form()).records())) == 2


KNOWN = Form(delimiter=";", decimal="comma", order="day", zone=False, names=("when", "where", "a", "b"))
OF_KNOWN = Wanted(("when",), "where", ("b",))


def test_a_table_that_goes_on_without_its_header():
    text = "01.02.2013 05:00;x;1;2,5\n02.02.2013 05:00;y;3;\nwhen;where;a;b\n03.02.2013 05:00;x;3;4\n"
    reader = TableReader([text.encode()], "pipe", OF_KNOWN, KNOWN)
    assert (reader.has_header, reader.header) == (False, ["when", "where", "a", "b"])
    rows = list(reader.records())
    assert [(row.line, row.key, row.cells[0]) for row in rows] == [
        (1, "x", "01.02.2013 05:00"),
        (2, "y", "02.02.2013 05:00"),
        (4, "x", "03.02.2013 05:00"),
    ]
    assert np.array_equal([row.values[0] for row in rows], [2.5, np.nan, 4], equal_nan=True)
    assert rows[0].time == 1_359_694_800


@pytest.mark.parametrize(
    "first",
    [
        "when;where;c;d",
        "time;where;a;b",
        "zeit;ort;x;y",
        "01.02.2013 05:00;x;1",
        "soon;x;1;2",
        "01.02.2013 05:00;a;1;2",
    ],
)
def test_what_is_no_row_like_those_before_is_a_header(first: str):
    with pytest.raises(DataError, match="there is no column"):
        TableReader([f"{first}\n".encode()], "pipe", OF_KNOWN, KNOWN)


TAGGED = Wanted((), "", ("a",), "state", "tag")


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_label_or_tag_is_read_and_rows_without_a_time_are_counted(size: int):
    text = 'a,state,x\n1, on ,\n\n2,off,"two\nlines"\na,state,x\n,5,\n4,é,\n'
    assert read(text, TAGGED, size=size) == [
        (2, "", 0, [1]),
        (4, "", 1, [2]),
        (7, "", 2, [pytest.approx(NAN, nan_ok=True)]),
        (8, "", 3, [4]),
    ]
    records = list(TableReader([text.encode()], "t.csv", TAGGED, FORM).records())
    assert [record.target for record in records] == ["on", "off", "5", "é"]
    few = text.replace("off", " ").replace("4,", "?,")
    assert [row[::2] for row in read(few, TAGGED, size=size, skip=True)] == [(2, 0), (7, 1), (8, 2)]
    with pytest.raises(BadRow, match=r"^t\.csv, line 4, column state: '' is no tag; correct the row or leave it out"):
        read(few, TAGGED)
    with pytest.raises(DataError, match=r"there is no column 'state' for `tag_column`; did you mean stat\?"):
        read("a,stat\n", TAGGED)


def test_a_table_without_a_time_goes_on_without_its_header():
    known, wanted = Form(names=("a", "state")), Wanted((), "", ("a",))
    for first, has_header in (("1,on", False), ("NA,on", False), ("a,state", True), ("a,more", True)):
        reader = TableReader([f"{first}\n2,off\n".encode()], "pipe", wanted, known)
        assert reader.has_header is has_header
        assert [record.time for record in reader.records()] == list(range(2 - has_header))
    with pytest.raises(DataError, match="there is no column 'a'"):
        TableReader([b"x,on\n2,off\n"], "pipe", wanted, known)


def test_the_names_are_kept_where_they_are_few():
    assert TableReader([PLAIN.encode()], "t", WANTED, Form()).form.names == tuple(PLAIN.split("\n")[0].split(","))
    wide = ",".join(["time", *(f"c{i}" for i in range(1000))])
    reader = TableReader([wide.encode()], "t", Wanted(("time",), "", ("c7",)), Form())
    assert reader.form.names == () and len(reader.header) == 1001
    plain = TableReader([b"2013-01-01,5\n"], "t", Wanted(("1",), "", ("2",)), Form(header=False))
    assert (plain.has_header, plain.form.names) == (False, ())


def test_a_form_that_lacks_what_came_later_is_read():
    form = Form(delimiter=";", decimal="comma", names=("a", "b"), phase=300)
    assert Form.from_json(form.to_json()) == form
    older = {name: value for name, value in form.to_json().items() if name not in ("names", "phase")}
    assert Form.from_json(older) == Form(delimiter=";", decimal="comma")
    for wrong in (older | {"colour": 1}, older | {"phase": -1}, older | {"phase": True}, older | {"names": "a"}, []):
        with pytest.raises(DataError, match="form of a table: "):
            Form.from_json(wrong)
