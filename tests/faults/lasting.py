"""Long series: rows that come for ever, tables and corpora larger than any memory, and how much memory they take."""

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn import backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.sizes import SPLITS, SplitSize
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import new_corpus
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series.columns import CLOCK, Columns
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.series.options import series_options
from gpurnn.data.stream import WindowStream
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.predict import Predictions, open_table
from gpurnn.network import Model, ModelConfig

KEYS = 100
NAMES = ("temp", "dewp", "humid", "pressure", "wind_speed")
BEGIN = 1_356_998_400  # 2013
INTERVAL = 600
GROWTH = 16 << 20
"""So much memory may be more at the end than after the first rows: what libraries keep, and nothing of a row."""
MOST = 300 << 20
SLOWEST = 10e6
"""Bytes of a table, at least, in a second of the processor's time, where it is large."""
LARGE = 1 << 28
_BLOCK = 1 << 14


def columns() -> Columns:
    """Five measured ones and the clock."""
    names = (*NAMES, *CLOCK)
    mean, scale = np.zeros(len(names)), np.ones(len(names))
    mean[: len(NAMES)], scale[: len(NAMES)] = 50, 10
    unknown = np.full(len(names), np.nan)
    return Columns(
        names, mean, scale, unknown, interval=INTERVAL, season=144, time=("time",), key="station", clock=True, fill=3
    )


def lines(rows: int) -> Iterator[bytes]:
    """A table of `rows` rows: all stations at a time, at one time after the other, some numbers missing; in blocks."""
    numbers = np.random.default_rng(1).normal(50, 10, (_BLOCK, len(NAMES)))
    texts = [",".join(f"{value:.2f}" for value in row) for row in numbers.tolist()]
    texts[7::50] = ["NA,51.00,NA,50.00,9.99"] * len(texts[7::50])
    yield f"station,time,{','.join(NAMES)}\n".encode()
    for first in range(0, rows, KEYS):
        at = datetime.fromtimestamp(BEGIN + first // KEYS * INTERVAL, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        count = min(KEYS, rows - first)
        yield "".join(f"s{key:02d},{at},{texts[(first + key) % _BLOCK]}\n" for key in range(count)).encode()


def forecast_rows(count: int) -> dict[str, Any]:
    """So many rows of 100 series through what `gpurnn predict` does, each with its forecasts."""
    forecast = Forecast(columns(), ("temp",), ("24h", "48h"))
    config = ModelConfig(0, inputs=9, outputs=2, input="real", head="absolute", cell="gru", hidden=64, dropout=0.0)
    model = Model(backend.get("cpu"), config)
    model.params.initialise(model.be, 1)
    forecaster = Forecaster(model, forecast)
    table = open_table(lines(count), "rows", forecast.columns)
    memory, found, began = Memory(), 0, time.perf_counter()
    violations = []
    for number, line in enumerate(Predictions(forecaster, table).lines()):
        if number and line.rstrip("\n").count(",") != 1 + len(NAMES) + 4:
            violations.append(f"row {number}: {line!r:.100}")
        found += number > 0
        if number % _BLOCK == 0:
            memory.look(number >= count / 10)
    if found != count:
        violations.append(f"{found} rows of {count} came back")
    return memory.report(violations) | {"rows": found, "rate": count / (time.perf_counter() - began)}


def prepare_table(count: int) -> dict[str, Any]:
    """A table of about so many bytes becomes a corpus; in a process of its own, whose memory is measured whole."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        rows = count // 56
        with table.open("wb") as file:
            file.writelines(lines(rows))
        size, began = table.stat().st_size, time.process_time()  # others may run beside it
        options = series_options(time="time", key="station", clock=True)
        prepare_series([table], Path(folder) / "c.h5", options)
        rate = size / (time.process_time() - began)
        with Corpus.open(Path(folder) / "c.h5") as corpus:
            found = sum(len(corpus.split(name)) for name in SPLITS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    violations = []
    if found != rows:
        violations.append(f"{found} rows of {rows} in the corpus")
    if peak > MOST:
        violations.append(f"preparing {size:,} bytes took {peak:,} bytes of memory, expected at most {MOST:,}")
    if rate < SLOWEST and size > LARGE:
        violations.append(f"{rate / 1e6:.1f} MB a second of a processor, expected {SLOWEST / 1e6:g}")
    return {"violations": violations, "peak_growth": peak, "bytes": size, "rate": rate}


def stream_rows(count: int) -> dict[str, Any]:
    """A corpus with about so many bytes of numbers, as far as half of the free disk holds it, read to its end."""
    with tempfile.TemporaryDirectory() as folder:
        count = min(count, shutil.disk_usage(folder).free // 2)
        path, known = Path(folder) / "c.h5", columns()
        rows = write_corpus(path, known, count)
        memory, seen, total, began = Memory(), 0, 0.0, time.perf_counter()
        forecast = Forecast(known, ("temp",), ("24h",))
        read = {"lanes": 16, "steps": 144, "epochs": 1, "forecast": forecast, "burn_in": 72}
        with Corpus.open(path) as corpus, WindowStream(corpus, "train", **read) as stream:
            for window in stream.recycled():
                seen += window.weight.size
                total += window.weight_sum
                memory.look(seen >= rows / 10)
        spent = time.perf_counter() - began
    violations = []
    if seen < rows - 16:
        violations.append(f"{seen} of {rows} rows were streamed")
    if not 0.8 * rows - KEYS * 1000 < total < rows:
        violations.append(f"{total:.0f} of {rows} rows had weight")
    return memory.report(violations) | {"bytes": 4 * rows * known.inputs, "rate": 4 * rows * known.inputs / spent}


def write_corpus(path: Path, known: Columns, count: int) -> int:
    """A corpus of about `count` bytes of numbers, all in the train split; returns its rows."""
    rows = max(KEYS, count // (4 * known.inputs))
    each = rows // KEYS
    rows = each * KEYS
    block = np.random.default_rng(1).normal(50, 10, (_BLOCK, known.inputs)).astype("<f4")
    sizes = {name: SplitSize(0, 0) for name in SPLITS} | {"train": SplitSize(rows, KEYS)}
    with new_corpus(path, replace=True) as writer:
        writer.create("reals/train", rows * known.inputs, np.dtype("<f4"))
        for first in range(0, rows, _BLOCK):
            writer.append("reals/train", block[: rows - first].reshape(-1))
        for name, values in (
            ("documents", np.arange(KEYS, dtype="<u8") * each),
            ("keys", np.arange(KEYS, dtype="u1")),
            ("starts", np.full(KEYS, BEGIN, "<i8")),
        ):
            writer.create(f"{name}/train", KEYS, values.dtype)
            writer.append(f"{name}/train", values)
        keys = tuple(f"s{key:02d}" for key in range(KEYS))
        finish_corpus(writer, "series", sizes, Tables(columns=known, keys=keys))
    return rows


class Memory:
    """What this process has of memory, against what it had when it had seen enough to have all its buffers."""

    def __init__(self) -> None:
        self._first = self._most = 0

    def look(self, settled: bool) -> None:
        """settled: whether what it has now may not grow any more."""
        if not settled:
            return
        now = resident()
        self._first = self._first or now
        self._most = max(self._most, now)

    def report(self, violations: list[str]) -> dict[str, Any]:
        """By how much it grew, and whether that is too much."""
        growth = self._most - self._first
        if growth > GROWTH:
            violations = [*violations, f"memory grew by {growth:,} bytes, expected at most {GROWTH:,}"]
        return {"violations": violations, "peak_growth": growth}


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
