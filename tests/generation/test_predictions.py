"""Tables that come back with forecasts: what stands in them, how, and that nothing grows while they come."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting import HOUR, columns, forecasts_at_once, measured, model_of, with_clock

from gpurnn.backend import Backend
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.series.form import Form
from gpurnn.data.series.reader import BadRow
from gpurnn.exceptions import DataError
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.predict import Predictions, open_table

TESTS = Path(__file__).resolve().parents[1]
BEGIN = 1_356_998_400
NAMES = ("temp", "wind")
COLUMNS = columns(*NAMES, form=Form(zone=True).to_json())
ROWS = measured(30, 2)


def iso(hour: int) -> str:
    return datetime.fromtimestamp(BEGIN + hour * HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def lines_of(rows: np.ndarray, key: str = "x") -> list[str]:
    """A table with a column that nobody asked for and cells that have to be quoted."""
    table = [["note, or none", "wind", "when", "temp", "where"]]
    table += [[f'say "{i}"', number(wind), iso(i), number(temp), key] for i, (temp, wind) in enumerate(rows)]
    return ["".join(_quoted(row)) for row in table]


def _quoted(row: list[str]) -> Iterator[str]:
    yield ",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' if "," in c or '"' in c else c for c in row) + "\n"


def predicted(
    be: Backend, text: str, columns: Any = COLUMNS, ahead: tuple[str, ...] = ("3h", "24h"), **options: Any
) -> tuple[list[str], Predictions]:
    model = options.pop("model", {})
    forecast = Forecast(columns, ("temp",), ahead)
    forecaster = Forecaster(model_of(be, forecast, **model), forecast)
    table = open_table([text.encode()], "t.csv", columns, skip=options.get("skip", False))
    found = Predictions(forecaster, table, **options)
    return list(found.lines()), found


def expected(be: Backend, ahead: tuple[str, ...] = ("3h", "24h"), **model: Any) -> np.ndarray:
    forecast = Forecast(COLUMNS, ("temp",), ahead)
    return forecasts_at_once(model_of(be, forecast, **model), forecast, with_clock(COLUMNS, ROWS, BEGIN))


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-10), ("float32", 1e-5)])
def test_rows_come_back_with_forecasts(be: Backend, dtype: str, bound: float):
    given = lines_of(ROWS)
    found, _ = predicted(be, "".join(given), model={"dtype": dtype})
    header, *rows = csv.reader(found)
    assert header == ["note, or none", "wind", "when", "temp", "where", "temp+3h", "temp+24h", "when+3h", "when+24h"]
    values = expected(be, dtype=dtype)
    assert len(rows) == len(ROWS)
    for i, (row, cells) in enumerate(zip(rows, csv.reader(given[1:]), strict=True)):
        assert row[:5] == cells
        assert row[7:] == [iso(i + 3), iso(i + 24)]
        for text, value in zip(row[5:7], values[i], strict=True):
            assert text == "" if math.isnan(value) else abs(float(text) - value) < bound * COLUMNS.scale[0]
    assert len({row[5] for row in rows}) > 20
    assert [line.startswith('"say ""3"""') for line in found].index(True) == 4


def test_quantiles_have_a_column_each(be: Backend):
    quantiles = (0.1, 0.5, 0.9)
    found, _ = predicted(be, "".join(lines_of(ROWS)), model={"head": "quantile", "quantiles": quantiles})
    header, *rows = csv.reader(found)
    assert header[5:] == [
        *(f"temp+{ahead}:{q}" for ahead in ("3h", "24h") for q in quantiles),
        "when+3h",
        "when+24h",
    ]
    values = expected(be, head="quantile", quantiles=quantiles)
    known = ~np.isnan(values[:, 0, 0])
    assert np.array([row[5:11] for row in rows])[known].astype(float) == pytest.approx(
        values[known].reshape(-1, 6), abs=1e-9
    )


def test_as_objects(be: Backend):
    rows = ROWS.copy()
    rows[:2, 0], rows[5, 1] = np.nan, np.nan
    found, _ = predicted(be, "".join(lines_of(rows)), jsonl=True)
    assert len(found) == len(rows)
    first, sixth = json.loads(found[0]), json.loads(found[5])
    assert (first["temp"], first["temp+3h"], first["temp+24h"]) == (None, None, None)
    assert first["note, or none"] == 'say "0"' and first["when+3h"] == iso(3)
    assert sixth["wind"] is None and isinstance(sixth["temp+3h"], float)
    assert sixth["temp"] == pytest.approx(float(rows[5, 0]))


def test_a_table_with_decimal_commas_comes_back_with_them(be: Backend):
    form = Form(delimiter=";", decimal="comma", order="day", zone=False)
    local = columns(*NAMES, form=form.to_json(), time=("Datum", "Zeit"), key="")
    text = "Datum;Zeit;temp;wind\n01.02.2013;10:00;12,5;20\n01.02.2013;11:00;13,25;NA\n"
    found, _ = predicted(be, text, local, ("24h",))
    assert found[0] == "Datum;Zeit;temp;wind;temp+24h;Datum Zeit+24h\n"
    cells = found[2].rstrip("\n").split(";")
    assert cells[:4] == ["01.02.2013", "11:00", "13,25", "NA"]
    assert "," in cells[4] and "." not in cells[4] and 0 < float(cells[4].replace(",", ".")) < 30
    assert cells[5] == "02.02.2013 11:00"


def test_times_of_digits_and_tabs(be: Backend):
    plain = columns(*NAMES, form=Form(delimiter="\t", digits="ms").to_json(), key="")
    found, _ = predicted(be, 'when\ttemp\twind\tn\n1356998400000\t1\t2\ta"b\n', plain, ("1h",))
    assert found[0] == "when\ttemp\twind\tn\ttemp+1h\twhen+1h\n"
    assert found[1].startswith('1356998400000\t1\t2\ta"b\t') and found[1].endswith("\t1357002000000\n")


def test_a_table_without_header_comes_back_without(be: Backend):
    names = ("note", "wind", "when", "temp", "where")
    known = columns(*NAMES, form=Form(zone=True, names=names).to_json())
    body = "".join(lines_of(ROWS)[1:])
    found, _ = predicted(be, body, known)
    with_header, _ = predicted(be, "".join(lines_of(ROWS)))
    assert found == with_header[1:]
    again = body + ",".join(names) + "\n" + body.replace(",x\n", ",y\n")
    assert predicted(be, again, known)[0][:30] == found
    assert len(predicted(be, again, known)[0]) == 60


def test_rows_that_are_none_or_late(be: Backend):
    lines = lines_of(ROWS[:6])
    late = [*lines[:4], lines[2], *lines[4:]]
    with pytest.raises(BadRow, match=r"t.csv, line 5: 2013-01-01T01:00:00Z is not after .*`bad_rows=skip`"):
        predicted(be, "".join(late))
    twice = [*lines[:4], lines[3].replace('"3"', '"again"'), *lines[3:]]
    found, kept = predicted(be, "".join(twice))
    assert found == predicted(be, "".join(lines))[0]
    assert (kept.left_out, kept.first[:53]) == (2, "t.csv, line 5: 2013-01-01T02:00:00Z is the time of th")
    broken = [*lines[:4], "note,warm,2013-01-01T09:00:00Z,1,x\n", *lines[4:5], lines[3], lines[1], *lines[5:]]
    with pytest.raises(BadRow, match=r"t.csv, line 5, column wind: 'warm' is no number"):
        predicted(be, "".join(broken))
    found, kept = predicted(be, "".join(broken), skip=True)
    assert found == predicted(be, "".join(lines))[0]
    assert (kept.left_out, kept.first) == (3, "t.csv, line 5, column wind: 'warm' is no number")
    off = [*lines[:2], lines[2].replace("01:00:00", "01:30:00")]
    with pytest.raises(
        BadRow, match=r"is 1 h 30 min after the last row of x, .*expected a multiple of the interval, 1 h"
    ):
        predicted(be, "".join(off))


def test_rows_between_those_of_a_coarser_grid_are_left_out(be: Backend):
    coarse = columns(*NAMES, form=Form(zone=True, phase=0).to_json())
    header, *lines = lines_of(ROWS)
    dense = [header, *(each for line in lines for each in (line.replace(":00:00Z", ":30:00Z", 1), line))]
    found, kept = predicted(be, "".join(dense), coarse)
    assert found == predicted(be, "".join([header, *lines]))[0]
    assert (kept.left_out, kept.first) == (30, "t.csv, line 2: it lies between the rows every 1 h")


def test_columns_that_are_not_there(be: Backend):
    with pytest.raises(DataError, match=r"t.csv: there is no column 'wind'"):
        predicted(be, "when,temp,where\n")
    with pytest.raises(DataError, match=r"t.csv: the table is empty"):
        predicted(be, "")


FLAT = """
import resource, sys
from forecasting import columns, model_of
from gpurnn import backend
from gpurnn.data.series.form import Form
from gpurnn.data.series.forecast import Forecast
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.predict import Predictions, open_table

rows, keys = 100_000, 100
columns = columns("temp", "wind", form=Form(digits="s").to_json())
forecast = Forecast(columns, ("temp",), ("24h",))
forecaster = Forecaster(model_of(backend.get("cpu"), forecast, dtype="float32", hidden=8), forecast)

def lines():
    yield b"when,where,temp,wind\\n"
    for i in range(rows):
        yield b"%d,k%d,%d.5,%d\\n" % (1_356_998_400 + i // keys * 3600, i % keys, i % 30, i % 7)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

found = 0
for found, line in enumerate(Predictions(forecaster, open_table(lines(), "pipe", columns)).lines()):
    if found == 20_000:
        before = peak()
print(found, peak() - before)
"""


def test_memory_stays_flat():
    """100,000 rows of 100 keys."""
    done = subprocess.run([sys.executable, "-c", FLAT], cwd=TESTS, capture_output=True, text=True, timeout=280)
    assert done.stderr == ""
    rows, grown = map(int, done.stdout.split())
    assert rows == 100_000
    assert grown < 448  # KiB, less than 6 bytes a row
