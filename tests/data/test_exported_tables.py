"""Tables as people export them, each prepared with nothing but what the messages of the command say."""

import datetime as dt
import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus

HOURS = 24 * 40
START = dt.datetime(2013, 1, 1)
ZONE = dt.timezone(dt.timedelta(hours=1))


def temperature(hour: int) -> float:
    """What is measured: a day's wave and a slow one, with one decimal."""
    return round(12 + 8 * np.sin(2 * np.pi * (hour - 9) / 24) + 3 * np.sin(hour / 100), 1)


def lines(header: str, row: Callable[[dt.datetime, float, int], str], hours: range = range(HOURS)) -> str:
    found = (row(START + dt.timedelta(hours=hour), temperature(hour), hour) for hour in hours)
    return "\n".join([header, *(line for line in found if line), ""])


def with_comma(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


def thousands(value: float) -> str:
    return f'"{1000 * value:,.1f}"'


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["prepare", *arguments, "-o", "made.h5", "--force", "--split", "1,0,0"])
    return done.exit_code, done.output


def prepare(name: str, content: str | bytes, *steps: tuple[list[str], str | None]) -> np.ndarray:
    """The rows of one stretch after the last of the steps, each of which says in its message what the next one is.

    steps: options, and what the message says; None where the corpus is made.
    """
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for options, told in steps:
        code, output = run(name, "--series", *options)
        if told is None:
            assert code == 0, output
            break
        assert code in (1, 2), output
        assert told in output
        assert not Path("made.h5").exists()
    with Corpus.open("made.h5") as corpus:
        split = corpus.split("train")
        rows = np.empty((len(split), split.inputs), np.float32)
        split.read_rows(0, rows)
        assert corpus.columns.interval == 3600
        assert int(split.starts()[0]) == int(START.replace(tzinfo=dt.UTC).timestamp())
    return rows


EXPECTED = np.array([temperature(hour) for hour in range(HOURS)], np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_spreadsheet_with_semicolons_decimal_commas_and_the_day_first():
    text = lines("Zeit;Temperatur (°C);Ort", lambda t, v, h: f"{t:%d.%m.%Y %H:%M};{with_comma(v)};Köln")
    steps = [
        (["--time", "Datum"], "there is no column 'Datum' for --time; its columns are Zeit, Temperatur (°C), Ort"),
        (["--time", "Zeit"], None),
    ]
    rows = prepare("a.csv", "\ufeff" + text.replace("\n", "\r\n"), *steps)
    np.testing.assert_array_equal(rows[:, 0], EXPECTED)


def test_the_same_in_the_encoding_of_an_old_spreadsheet():
    text = lines("Zeit;Temperatur (°C)", lambda t, v, h: f"{t:%d.%m.%Y %H:%M};{with_comma(v)}").encode("cp1252")
    steps = [
        (["--time", "Zeit"], "is not utf-8: invalid start byte; give the right --encoding"),
        (["--time", "Zeit", "--encoding", "cp1252"], None),
    ]
    np.testing.assert_array_equal(prepare("a.csv", text, *steps)[:, 0], EXPECTED)


def test_two_columns_of_time():
    text = lines("Station;Datum;Tijd (UTC);Temperatuur", lambda t, v, h: f"v1;{t:%Y-%m-%d};{t:%H:%M:%S};{v}")
    steps = [(["--time", "Datum,Tijd (UTC)", "--key", "Station"], None)]
    np.testing.assert_array_equal(prepare("b.csv", text, *steps)[:, 0], EXPECTED)


@pytest.mark.parametrize("unit", [1, 1000])
def test_unix_times(unit: int):
    start = int(START.replace(tzinfo=dt.UTC).timestamp())
    text = lines("ts\ttemp\thumidity", lambda t, v, h: f"{(start + 3600 * h) * unit}\t{v}\t{50 + h % 7}")
    np.testing.assert_array_equal(prepare("c.tsv", text, (["--time", "ts"], None))[:, 0], EXPECTED)


def test_a_change_of_the_time_zone():
    def zone(hour: int) -> dt.timezone:
        return dt.timezone(dt.timedelta(hours=2 if 200 <= hour < 600 else 1))

    text = lines("when,temp", lambda t, v, h: f"{t.replace(tzinfo=dt.UTC).astimezone(zone(h)).isoformat()},{v}")
    np.testing.assert_array_equal(prepare("d.csv", text, (["--time", "when"], None))[:, 0], EXPECTED)


def test_local_times_at_a_change_of_the_clock_are_repeated_or_missing_rows():
    """An hour that is there twice, as it is when summer time ends; and one that is not there, when it begins."""

    def row(time: dt.datetime, value: float, hour: int) -> str:
        if hour == 100:
            return ""
        again = f"\n{time:%Y-%m-%d %H:%M},{value + 50}" if hour == 300 else ""
        return f"{time:%Y-%m-%d %H:%M},{value}{again}"

    rows = prepare("e.csv", lines("time,temp", row), (["--time", "time"], None))
    assert np.isnan(rows[100, 0])
    np.testing.assert_array_equal(np.delete(rows[:, 0], 100), np.delete(EXPECTED, 100))
    assert "1 row with the time of one before, other numbers: left out" in run("e.csv", "--series", "--time", "time")[1]


def test_the_gaps_of_a_logger():
    out = {*range(100, 102), *range(300, 330)}
    text = lines("time,temp", lambda t, v, h: "" if h in out else f"{t:%Y/%m/%d %H:%M:%S},{v}")
    rows = prepare("f.csv", text, (["--time", "time"], None))
    expected = np.delete(EXPECTED, range(300, 330))
    expected[100:102] = np.nan
    np.testing.assert_array_equal(rows[:, 0], expected)
    told = run("f.csv", "--series", "--time", "time")[1]
    assert "gaps      1 of up to 2 rows filled; 1 of more than 3 rows, 3 h, begin a new stretch" in told


def test_a_header_that_is_there_again():
    head = '"time","temp"'
    text = lines(head, lambda t, v, h: f'"{t:%Y-%m-%d %H:%M}","{v}"' + (f"\n\n{head}" if h % 100 == 99 else ""))
    np.testing.assert_array_equal(prepare("g.csv", text, (["--time", "time"], None))[:, 0], EXPECTED)


def test_thousands_separators():
    text = lines("Date,Load (kW)", lambda t, v, h: f'"{t:%b} {t.day}, {t:%Y %I:%M %p}",{thousands(v)}')
    rows = prepare("h.csv", text, (["--time", "Date"], None))
    np.testing.assert_allclose(rows[:, 0], 1000 * EXPECTED, rtol=1e-6)
    whole = lines("Date,Load (kW)", lambda t, v, h: f'{t:%Y-%m-%dT%H:%MZ},"{1000 + h:,}"')
    steps = [
        (
            ["--time", "Date"],
            "has a decimal or a thousands separator, and no other number says which; give --decimal point",
        ),
        (["--time", "Date", "--decimal", "point"], None),
    ]
    Path("made.h5").unlink()
    np.testing.assert_array_equal(prepare("h.csv", whole, *steps)[:, 0], 1000 + np.arange(HOURS))


def test_a_total_at_the_end():
    text = lines("time,temp", lambda t, v, h: f"{t:%m/%d/%Y %H:%M},{v}") + "Total,11520.5\n"
    steps = [
        (
            ["--time", "time"],
            "line 962, column time: 'Total' is no time; correct the row or leave it out, or give --bad-rows skip",
        ),
        (["--time", "time", "--bad-rows", "skip"], None),
    ]
    np.testing.assert_array_equal(prepare("i.csv", text, *steps)[:, 0], EXPECTED)


def test_a_wide_table_of_stations():
    names = [f"station {n}" for n in range(1, 31)]
    text = lines(
        "|".join(["utc", *names]), lambda t, v, h: "|".join([f"{t:%Y%m%d%H}", *(f"{v + n:.1f}" for n in range(30))])
    )
    rows = prepare("j.csv", text, (["--time", "utc"], None))
    np.testing.assert_allclose(rows, EXPECTED[:, None] + np.arange(30), atol=1e-5)


def test_missing_as_a_number():
    text = lines("time,temp", lambda t, v, h: f"{t:%Y-%m-%d %H:%M},{-999 if h % 50 == 7 else v}")
    rows = prepare("k.csv.gz", gzip.compress(text.encode()), (["--time", "time", "--missing", "-999"], None))
    expected = np.where(np.arange(HOURS) % 50 == 7, np.float32(np.nan), EXPECTED)
    np.testing.assert_array_equal(rows[:, 0], expected)


def test_dates_of_few_days_are_asked_for():
    text = lines("time,temp", lambda t, v, h: f"{t:%d/%m/%y %H:%M},{v}", range(240))
    steps = [
        (["--time", "time"], "give --date-order day or --date-order month or --date-order year"),
        (["--time", "time", "--date-order", "day"], None),
    ]
    np.testing.assert_array_equal(prepare("l.csv", text, *steps)[:, 0], EXPECTED[:240])


def test_a_table_without_a_header():
    text = lines("", lambda t, v, h: f"{t:%Y-%m-%dT%H:%M:%SZ} , A , {v}").lstrip("\n")
    steps = [(["--time", "time"], "there is no column 'time'"), (["--time", "1", "--key", "2", "--columns", "3"], None)]
    np.testing.assert_array_equal(prepare("m.csv", text, *steps)[:, 0], EXPECTED)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--series"], "--series needs to know the column of the time; give --time COLUMN"),
        (["--series", "--time", "time", "--tokens", "words"], "--tokens is for texts, not for --series"),
        (["--series", "--time", "time", "--valid", "x.csv"], "--valid is for texts, not for --series"),
        (["--series", "--time", "time", "--min-count", "2"], "--min-count is for texts, not for --series"),
        (["--time", "time"], "--time is for measured series; give --series, too"),
        (["--bad-rows", "skip"], "--bad-rows is for measured series; give --series, too"),
        (["--series", "--time", "time", "--every", "10m"], "--every 10m: m could be minutes or months"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(arguments: list[str], told: str):
    Path("x.csv").write_text("time,a\n2013-01-01,1\n2013-01-02,2\n")
    code, output = run("x.csv", *arguments)
    assert (code, bool(re.search(re.escape(told), output))) == (2, True), output
    assert not Path("made.h5").exists()
