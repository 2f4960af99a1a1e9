"""From tables of measured series to a corpus: values, times, stretches and splits."""

import csv
import datetime as dt
import gzip
import io
import itertools
import math
import os
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series.clock import clock
from gpurnn.data.series.options import series_options
from gpurnn.data.series.report import SeriesReport
from gpurnn.exceptions import DataError, GpurnnError, UsageError

WEATHER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "weather.csv"
START = 1_356_998_400  # 2013-01-01T00:00:00Z, a Tuesday
HOUR = 3600
NAN = math.nan


def stamp(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def table(rows: list[tuple], header: str = "time,a") -> str:
    """Rows of a time and whatever else."""
    lines = [",".join((stamp(time), *map(str, rest))) for time, *rest in rows]
    return "\n".join([header, *lines, ""])


class Prepared:
    """What became of a table. documents: by split, (key, start, rows) of each."""

    def __init__(self, report: SeriesReport) -> None:
        self.report = report
        with Corpus.open(report.output) as corpus:
            corpus.verify()
            self.columns = corpus.columns
            self.documents = {name: self._documents(corpus, name) for name in corpus.splits}

    def _documents(self, corpus: Corpus, name: str) -> list[tuple[str, int, list]]:
        split = corpus.split(name)
        rows = np.empty((len(split), split.inputs), np.float32)
        split.read_rows(0, rows)
        starts = np.empty(len(split.documents), np.uint64)
        split.documents.read(0, starts)
        parts = np.split(rows, starts[1:].astype(int)) if len(rows) else []
        found = zip(split.keys().tolist(), split.starts().tolist(), parts, strict=True)
        return [(corpus.key_names[key], start, part.tolist()) for key, start, part in found]


@pytest.fixture
def prepared(tmp_path: Path):
    """prepared(text or texts, **options): what `prepare_series` made of tables with these texts."""

    def prepare(*texts: str | bytes, stdin: bytes | None = None, **options) -> Prepared:
        files: list[str | Path] = ["-"] if stdin is not None else []
        for number, text in enumerate(texts):
            file = tmp_path / f"t{number}.csv"
            file.write_bytes(text.encode() if isinstance(text, str) else text)
            files.append(file)
        options = {"time": "time", **options}
        made = prepare_series(
            files,
            tmp_path / "made.h5",
            series_options(**options),
            force=True,
            stdin=None if stdin is None else io.BytesIO(stdin),
        )
        assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != "t") == ["made.h5"]
        return Prepared(made)

    return prepare


ALL = {"split": (1, 0, 0)}


def test_weather_is_what_another_computation_says(tmp_path: Path):
    if not WEATHER.exists():
        pytest.skip("weather.csv is not beside the checkout (../shared/data)")
    names = ("temp", "dewp", "humid", "pressure", "wind_speed")
    options = series_options(time="time_hour", key="origin", columns=names, clock=True, split=(0.7, 0.1, 0.2))
    made = Prepared(prepare_series([WEATHER], tmp_path / "w.h5", options))
    grid: dict[str, dict[int, list[float]]] = {}
    with open(WEATHER, newline="") as file:
        for row in csv.DictReader(file):
            time = int(dt.datetime.fromisoformat(row["time_hour"]).timestamp())
            values = [NAN if row[name] == "NA" else float(np.float32(row[name])) for name in names]
            grid.setdefault(row["origin"], {})[time] = values
    begin, end = START + 6 * HOUR, START + (363 * 24 + 23) * HOUR
    hours = (end - begin) // HOUR + 1
    edges = [begin, begin + 7 * hours // 10 * HOUR, begin + 8 * hours // 10 * HOUR, end + HOUR]
    expected: dict[str, list] = {}
    for name, low, high in zip(("train", "valid", "test"), edges[:-1], edges[1:], strict=True):
        expected[name] = [
            (key, part[0], [_weather_row(grid[key], time) for time in part])
            for key in sorted(grid)
            for stretch in _stretches(sorted(grid[key]), 4 * HOUR)
            if (part := [time for time in stretch if low <= time < high])
        ]
    for name, documents in expected.items():
        assert [(key, start) for key, start, _ in documents] == [d[:2] for d in made.documents[name]]
        for (_, _, mine), (_, _, theirs) in zip(documents, made.documents[name], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-7)
    assert made.report.splits["train"].rows == 3 * (7 * hours // 10)
    _expect_statistics(made, expected["train"])


def _stretches(times: list[int], longest: int) -> list[list[int]]:
    """All hours of each stretch of rows at these times."""
    stretches = [[times[0]]]
    for last, time in itertools.pairwise(times):
        if time - last > longest:
            stretches.append([])
        stretches[-1].extend(range(last + HOUR if stretches[-1] else time, time + HOUR, HOUR))
    return stretches


def _weather_row(found: dict[int, list[float]], time: int) -> list[float]:
    return [*found.get(time, [NAN] * 5), *np.array(clock(time), np.float32).tolist()]


def _expect_statistics(made: Prepared, documents: list) -> None:
    """Mean, scale and season's error of the train split, by NumPy."""
    rows = np.concatenate([np.array(part, np.float64) for _, _, part in documents])
    measured = made.columns.measured
    np.testing.assert_allclose(made.columns.mean[:measured], np.nanmean(rows, 0)[:measured], rtol=1e-12)
    np.testing.assert_allclose(made.columns.scale[:measured], np.nanstd(rows, 0)[:measured], rtol=1e-10)
    lag = made.columns.season
    errors = [np.abs(part[lag:] - part[:-lag]) for part in (np.array(d[2], np.float64) for d in documents)]
    errors = [part for part in errors if len(part)]
    if errors:
        expected = np.nanmean(np.concatenate(errors), 0)[:measured]
        np.testing.assert_allclose(made.columns.season_error[:measured], expected, rtol=1e-10)
    assert np.isnan(made.columns.season_error[measured:]).all()


def test_short_gaps_are_filled_and_long_ones_begin_a_stretch(prepared):
    times = [0, 1, 2, 4, 5, 9, 10, 15, 16]
    made = prepared(table([(START + t * HOUR, t) for t in times]), fill=3, **ALL)
    filled = [[0], [1], [2], [NAN], [4], [5], [NAN], [NAN], [NAN], [9], [10]]
    np.testing.assert_equal(made.documents["train"], [("", START, filled), ("", START + 15 * HOUR, [[15], [16]])])
    counts = made.report.counts
    assert (counts.gaps, counts.longest, counts.breaks) == (2, 3, 1)
    assert made.columns.interval == HOUR
    assert made.report.missing == {"a": 4 / 13}
    none = prepared(table([(START + t * HOUR, t) for t in times]), fill=0, **ALL)
    assert [start - START for _, start, _ in none.documents["train"]] == [0, 4 * HOUR, 9 * HOUR, 15 * HOUR]


def test_splits_are_cut_at_the_same_instants_for_all_keys(prepared):
    rows = [(START + t * HOUR, key, t) for key in "zx" for t in range(2 * (key == "x"), 10) if t != 5]
    made = prepared(table(rows, "time,key,a"), key="key", split=(0.5, 0.3, 0.2))
    np.testing.assert_equal(
        made.documents,
        {
            "train": [("x", START + 2 * HOUR, [[2], [3], [4]]), ("z", START, [[0], [1], [2], [3], [4]])],
            "valid": [(k, START + 5 * HOUR, [[NAN], [6], [7]]) for k in "xz"],
            "test": [(k, START + 8 * HOUR, [[8], [9]]) for k in "xz"],
        },
    )


@pytest.mark.parametrize("order", ["by key", "by time", "backwards", "mixed"])
def test_rows_are_put_in_order_in_runs_on_the_disk(prepared, monkeypatch: pytest.MonkeyPatch, order: str):
    monkeypatch.setattr("gpurnn.data.series.rows.RUN_BYTES", 2000)
    monkeypatch.setattr("gpurnn.data.series.rows._MERGE_BYTES", 1)
    monkeypatch.setattr("gpurnn.data.series.rows._FEWEST", 3)
    monkeypatch.setattr("gpurnn.data.series.reader._CELLS", 150)
    rows = [(START + t * HOUR, f"k{key}", 100 * key + t) for key in (3, 1, 2) for t in range(300)]
    if order == "by time":
        rows.sort(key=lambda row: row[0])
    elif order == "backwards":
        rows.reverse()
    elif order == "mixed":
        random.Random(3).shuffle(rows)
    made = prepared(table(rows, "time,key,a"), key="key", **ALL)
    expected = [(f"k{key}", START, [[100 * key + t] for t in range(300)]) for key in (1, 2, 3)]
    assert made.documents["train"] == expected


def test_of_rows_with_the_same_time_the_first_is_kept(prepared):
    rows = [(START + t * HOUR, t) for t in range(5)]
    again = [(START + HOUR, 1), (START + HOUR, 7), (START + HOUR, 1), (START + 3 * HOUR, "NA")]
    made = prepared(table([*rows, *again]), **ALL)
    assert made.documents["train"] == [("", START, [[0], [1], [2], [3], [4]])]
    assert (made.report.counts.identical, made.report.counts.differing) == (2, 2)
    assert "2 rows repeated, dropped" in str(made.report)
    assert "2 rows with the time of one before, other numbers: left out" in str(made.report)


def test_every_keeps_the_rows_on_a_grid(prepared):
    rows = [(START + t * 300, t) for t in range(288) if t not in (2, 6, 7)]
    made = prepared(table(rows), every="10min", **ALL)
    assert made.columns.interval == 600
    expected = [[NAN] if t in (2, 6) else [t] for t in range(0, 288, 2)]
    np.testing.assert_equal(made.documents["train"], [("", START, expected)])
    assert made.report.counts.between == 143
    shifted = prepared(table([(time + 180, t) for time, t in rows]), every="10min", **ALL)
    assert shifted.documents["train"][0][1] == START + 480  # 8 min after, as more rows are than 3 min after
    with pytest.raises(DataError, match=r"most rows are 5 min apart; the 12 min of `every` are no multiple of that"):
        prepared(table(rows), every="12min")


def test_few_rows_off_the_grid_are_left_out_and_many_are_refused(prepared):
    rows = [(START + t * HOUR, t) for t in range(300)]
    made = prepared(table([*rows, (START + 5 * HOUR + 7, 99), (START + 9 * HOUR + 7, 99)]), **ALL)
    assert made.documents["train"] == [("", START, [[t] for t in range(300)])]
    assert made.report.counts.off == 2
    assert "2 rows left out, off the grid of 1 h; the first at 2013-01-01 05:00:07" in str(made.report)
    odd = [(START + t * HOUR + 60 * (t % 3 == 1), t) for t in range(300)]
    with pytest.raises(DataError, match=r"most are .* apart, the one at 2013-01-01 .* are off that grid; .*`every`"):
        prepared(table(odd))


def test_after_a_long_gap_a_stretch_has_a_grid_of_its_own(prepared):
    rows = [(START + t * HOUR + (420 if t > 50 else 0), t) for t in range(100) if not 40 < t <= 50]
    made = prepared(table(rows), **ALL)
    assert [(start, len(part)) for _, start, part in made.documents["train"]] == [
        (START, 41),
        (START + 51 * HOUR + 420, 49),
    ]


def test_several_tables_a_folder_and_gzip_are_read_as_one(prepared, tmp_path: Path):
    parts = [table([(START + t * HOUR, t) for t in range(k, k + 5)]) for k in (5, 0, 10)]
    expected = [("", START, [[t] for t in range(15)])]
    assert prepared(*parts, **ALL).documents["train"] == expected
    folder = tmp_path / "tables"
    folder.mkdir()
    for number, part in enumerate(parts):
        (folder / f"{number}.csv.gz").write_bytes(gzip.compress(part.encode()))
    (folder / "empty.csv").touch()
    report = prepare_series([folder], tmp_path / "t.h5", series_options(time="time", **ALL))
    assert Prepared(report).documents["train"] == expected
    assert (report.sources, report.left.empty) == (3, 1)
    swapped = table([(START + t * HOUR, -1, t) for t in range(15, 18)], "time,b,a")
    with_swapped = prepared(*parts, swapped, columns="a", **ALL).documents["train"]
    assert with_swapped == [("", START, [[t] for t in range(18)])]


def test_standard_input_is_read_once_whatever_had_to_be_looked_at(prepared):
    days = [f"{day}/1/2013" for day in range(1, 29) for _ in range(600)]
    text = "date,clock,a\n" + "".join(f"{d},{t // 60 % 24}:{t % 60},{t}\n" for t, d in enumerate(days))
    times = [f"{d},{i % 600 // 60:02}:{i % 60:02},{i}" for i, d in enumerate(days)]
    text = "\n".join(["date,clock,a", *times, ""])
    made = prepared(stdin=text.encode(), time="date,clock", **ALL)
    assert [len(rows) for _, _, rows in made.documents["train"]] == [600] * 28
    assert made.documents["train"][-1][1] == START + 27 * 86_400
    assert made.columns.form["order"] == "day"


def test_a_pipe_with_a_name_is_read_once_too(tmp_path: Path):
    pipe, text = tmp_path / "pipe", table([(START + t * HOUR, t) for t in range(9000)])
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: pipe.write_text(text))
    thread.start()
    made = Prepared(prepare_series([pipe], tmp_path / "made.h5", series_options(time="time", **ALL)))
    thread.join()
    assert made.documents["train"] == [("", START, [[t] for t in range(9000)])]


def test_the_columns_of_another_corpus_are_taken(prepared, tmp_path: Path):
    rows = [(START + t * 300, math.sin(t), t % 7) for t in range(600)]
    first = prepared(table(rows, "time,a,b"), columns="b,a", clock=True, fill=1, every="10min", missing="-999", **ALL)
    later = [(START + (600 + t) * 300, -999 if t == 4 else t % 5, "x", 5.5) for t in range(100)]
    made = prepared(table(later, "time,b,name,a"), time=None, columns_from=first.columns)
    assert made.columns.names == first.columns.names == ("b", "a", "hour_sin", "hour_cos")
    for name in ("mean", "scale", "season_error"):
        np.testing.assert_array_equal(getattr(made.columns, name), getattr(first.columns, name))
    assert (made.columns.interval, made.columns.fill) == (600, 1)
    assert made.documents["train"] == made.documents["valid"] == []
    [(key, start, found)] = made.documents["test"]
    assert (key, start, len(found)) == ("", START + 600 * 300, 50)
    np.testing.assert_equal([row[:2] for row in found[:3]], [[0, 5.5], [2, 5.5], [NAN, 5.5]])
    again = prepared(table(later, "time,b,name,a"), columns_from=first.columns, split=(0.5, 0.5, 0))
    assert [len(again.documents[name][0][2]) for name in ("train", "valid")] == [25, 25]
    for wrong in ({"columns": "a"}, {"clock": True}, {"fill": 3}, {"every": "10min"}):
        with pytest.raises(UsageError, match=f"`{next(iter(wrong))}` contradicts `columns_from`"):
            series_options(columns_from=first.columns, **wrong)
    with pytest.raises(DataError, match=r"there is no column 'b' for `columns`"):
        prepared(table(rows, "time,a,c"), columns_from=first.columns)
    with pytest.raises(DataError, match=r"rows are 15 min apart; the 10 min of `columns_from` are no multiple"):
        prepared(table([(START + t * 900, t, t) for t in range(9)], "time,a,b"), columns_from=first.columns)


def test_an_order_that_nothing_decides_is_taken_from_the_other_corpus(prepared):
    text = "time,a\n" + "".join(f"{d}/{m}/2013,{d * m}\n" for m in (1, 2) for d in range(1, 29))
    first = prepared(text, **ALL)
    few = "time,a\n" + "".join(f"{d}/3/2013,{d}\n" for d in range(1, 10))
    with pytest.raises(DataError, match="date_order"):
        prepared(few, **ALL)
    made = prepared(few, columns_from=first.columns)
    assert made.documents["test"][0][1] == int(dt.datetime(2013, 3, 1, tzinfo=dt.UTC).timestamp())


def test_the_encoding_of_the_other_corpus_is_taken(prepared):
    texts = [f"Zeit,Größe\n2013-01-0{day},1\n2013-01-0{day + 1},2\n".encode("latin-1") for day in (1, 4)]
    first = prepared(texts[0], time="Zeit", encoding="latin-1", **ALL)
    made = prepared(texts[1], time=None, columns_from=first.columns)
    assert made.documents["test"] == [("", START + 3 * 86_400, [[1], [2]])]


def test_times_at_the_end_of_the_calendar_are_told(prepared):
    made = prepared("time,a\n9999-12-30,1\n9999-12-31,2\n", **ALL)
    assert "9999-12-30 00:00 to 9999-12-31 00:00" in str(made.report)
    with pytest.raises(DataError, match="9999"):
        prepared("time,a\n9999-12-30 24:00,1\n9999-12-31 24:00,2\n", **ALL)


def test_columns_that_say_nothing_are_left_out_unless_they_are_asked_for(prepared):
    rows = [(START + t * HOUR, t, 5, "NA" if t < 8 else t, "wet") for t in range(10)]
    made = prepared(table(rows, "time,a,same,late,note"), split=(0.8, 0.1, 0.1))
    assert made.columns.names == ("a",)
    told = str(made.report)
    assert "left out  note ('wet' is no number), same (it is always 5), late (it has no number)" in told
    for name, reason in (("same", "it is always 5"), ("late", "it has no number")):
        with pytest.raises(DataError, match=f"column '{name}': {reason} in the train split; leave it out of `columns`"):
            prepared(table(rows, "time,a,same,late,note"), split=(0.8, 0.1, 0.1), columns=f"a,{name}")
    with pytest.raises(DataError, match=r"line 2, column note: 'wet' is no number"):
        prepared(table(rows, "time,a,same,late,note"), columns="a,note")


def test_statistics_of_many_stretches(prepared):
    random.seed(8)
    rows = [
        (START + t * HOUR, key, 1e6 + random.gauss(0, 1), "" if random.random() < 0.2 else random.random())
        for key in "ab"
        for t in range(3000)
        if random.random() < 0.8
    ]
    made = prepared(table(rows, "time,key,a,b"), key="key", fill=1, split=(0.6, 0.2, 0.2))
    assert made.columns.season == 24
    assert len(made.documents["train"]) > 50
    _expect_statistics(made, made.documents["train"])


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("time,a\n", {}, "the table has no rows but its header"),
        ("", {}, "t0.csv: the table is empty"),
        ("time,a\n2013-01-01,1\n", {}, "no series has rows at two times"),
        ("time,a\n2013-01-01,1\n2013-01-01,2\n", {}, "no series has rows at two times"),
        ("time,a\n2013-01-01,1\n2013-01-02,1\n", {}, "no column says anything: 'a' it is always 1"),
        ("time,a\n2013-01-01,\n2013-01-02,\n", {"columns": "a"}, "the train split has no numbers"),
        ("time,a\n2013-01-01,1\n2413-01-01,2\n", {}, "expected at most a hundred years"),
        ("time,a\n2013-01-01,1\n2013-01-02,1e39\n", {}, "line 3, column a: '1e39' is larger than"),
        ("time,a\n2013-01-01,1\n2013-01-02,inf\n", {}, "line 3, column a: 'inf' is infinite"),
        ("time,a\n2013-01-01,1\nTotal,1\n", {}, "line 3, column time: 'Total' is no time"),
        ("time,a\n2013-01-01,1\n2013-01-02\n", {}, "line 3: it has 1 cell, expected 2"),
        (b"\x89PNG\r\n\x1a\n", {}, "a PNG image, no text"),
        (b"time,a\n2013-01-01,\xff\n", {}, "byte 18 (ff) is not utf-8: invalid start byte; give the right `encoding`"),
        ("time,a\n1,2\n".encode("utf-16"), {}, "text in utf-16-le with a byte order mark, not in utf-8; give `enc"),
        ("%PDF-1.4 ...", {}, "a PDF document, no text"),
        ("day,a\n2013-01-01,1\n", {}, "there is no column 'time' for `time`; its columns are day, a"),
    ],
)
def test_what_cannot_be_prepared_is_told_and_leaves_nothing(prepared, tmp_path: Path, text, options, told: str):
    with pytest.raises(GpurnnError) as caught:
        prepared(text, **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["t0.csv"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"time": None}, "give `time=COLUMN`"),
        ({"time": "a,b,c"}, "two for date and time of day, found 3"),
        ({"time": "a,"}, "a name is empty"),
        ({"key": "time"}, "the column 'time' is asked for twice"),
        ({"columns": "hour_sin", "clock": True}, "the name of one that `clock` makes"),
        ({"fill": -1}, "`fill=-1`: expected rows, 0 to 10,000"),
        ({"every": "10m"}, "write min for minutes"),
        ({"split": (0.5, 0.4, 0.2)}, "expected three fractions"),
        ({"date_order": "first"}, "`date_order=first`: expected one of day, month, year"),
        ({"decimal": ","}, "expected one of point, comma"),
        ({"bad_rows": "go"}, "expected one of stop, skip"),
        ({"columns": 5}, "expected names of columns, found 5"),
    ],
)
def test_options_that_are_none_are_told(options: dict, told: str):
    with pytest.raises(UsageError) as caught:
        series_options(**{"time": "time", **options})
    assert told in str(caught.value)


def test_bad_rows_are_skipped_and_counted(prepared):
    rows = table([(START + t * HOUR, t) for t in range(5)])
    made = prepared(f"{rows}Total,10\n", bad_rows="skip", **ALL)
    assert made.documents["train"] == [("", START, [[0], [1], [2], [3], [4]])]
    assert made.report.left.rows == 1
    assert "1 bad row skipped; the first: " in str(made.report)
    assert "t0.csv, line 7, column time: 'Total' is no time\n" in f"{made.report}\n"
    with pytest.raises(
        DataError, match=r"all 2 rows are bad; the first: .*t0.csv, line 2, column time: 'x' is no time"
    ):
        prepared("time,a\nx,1\ny,2\n", bad_rows="skip", columns="a")


def test_an_output_among_the_tables_or_that_is_there_is_refused(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text(table([(START, 1), (START + 1, 2)]))
    with pytest.raises(UsageError, match="is among the tables"):
        prepare_series([path], path, series_options(time="time"), force=True)
    with pytest.raises(DataError, match="it exists"):
        prepare_series([path], path, series_options(time="time"))


def test_several_series_are_not_taken_for_one(prepared):
    """Two stations in one table: no row of either is silently left out where nothing tells them apart."""
    rows = [(START + hour * 3600, station, hour * 7 % 5 + station) for hour in range(50) for station in (1, 2)]
    text = table(rows, "time,station,a")
    with pytest.raises(DataError) as error:
        prepared(text, columns="a")
    assert str(error.value) == (
        "more than 10 of 100 rows have the time of another row and other numbers: there is no `key`; name the column "
        "that says which series a row is of with `key`, or leave them out with `bad_rows=skip`"
    )
    assert prepared(text, columns="a", bad_rows="skip").report.counts.differing == 50
    assert prepared(text, columns="a", key="station").report.counts.differing == 0
