"""Tables of measured series changed at random: only typed errors may come out, and both ways of reading must agree."""

import random
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series.form import Form
from gpurnn.data.series.options import SeriesOptions, series_options
from gpurnn.data.series.reader import BadRow, TableReader, Wanted
from gpurnn.data.series.sniff import find_form
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.predict import open_table
from gpurnn.generation.stretches import Stretches

WHOLE_EVERY = 20  # so many tables are only read for one that becomes a corpus
LONGEST_MESSAGE = 600

CELLS = [
    *("", " ", "NA", "-", "...", "-999", "0", "-0", "1e5", "1e39", "1e400", "inf", "-Infinity", "nan", "1_000", "0x10"),
    *(
        "1,5",
        "1.5",
        "1.234",
        "1,234",
        "1.234,5",
        "1,234.5",
        "1 234",
        "1'234",
        "1\u202f234",
        "\u22125",
        "１２",
        "²",
        "٣",
    ),
    *(
        "9" * 400,
        "0." + "0" * 400 + "1",
        "Total",
        "time",
        "a;b",
        'say "hi"',
        '"',
        '""',
        "'",
        "\0",
        "\u2028",
        "\x1c",
        "é",
    ),
    *(
        "2013-01-01",
        "2013-13-01",
        "2013-02-30",
        "9999-12-31 23:59:59",
        "0001-01-01",
        "0000-00-00",
        "1/2/2013",
        "13/13/13",
    ),
    *(
        "1/2/3",
        "31.12.99",
        "12:00",
        "24:00",
        "24:01",
        "12:00 PM",
        "13:00 PM",
        "2013-01-01T06:00+25:00",
        "20130101",
        "2013",
    ),
    *(
        "2013010106",
        "1356998400",
        "1356998400000",
        "99999999999",
        "1356998400.5",
        "Jan 1 2013",
        "1 Foo 2013",
        "T",
        "Z",
        ":",
    ),
    *("2013-01-01T00:00:00.000001", "2013-01-01 6", "Mon, 1 Jan 2013 06:00:00 GMT", "٢٠١٣-٠١-٠١"),
]


def _table(delimiter: str, stamp: Callable[[int], str], number: Callable[[float], str], ending: str = "\n") -> bytes:
    rows = [["time", "key", "a", "b", "note"]]
    for hour in range(40):
        rows.append([stamp(hour), f"k{hour // 20}", number(hour * 1.25), str(hour % 7), f"n {hour // 20}"])
    return (ending.join(delimiter.join(row) for row in rows) + ending).encode()


SAMPLES = [
    _table(",", lambda h: f"2013-01-{1 + h // 24:02}T{h % 24:02}:00:00Z", str),
    _table(";", lambda h: f"{1 + h}.{1 + h // 20}.2013 06:00", lambda v: f"{v:.2f}".replace(".", ","), "\r\n"),
    _table("\t", lambda h: str(1356998400 + 600 * h), str),
    _table("|", lambda h: f"1/{1 + h % 31}/13 {1 + h % 12}:00 PM", lambda v: f'"{1000 * v:,.2f}"'),
]
OPTIONS = [
    {"time": "time", "key": "key", "columns": "a,b"},
    {"time": "time", "key": "key"},
    {"time": "time", "columns": "a", "clock": True, "missing": ("-999",), "fill": 0},
    {"time": "time", "key": "key", "columns": "a", "every": "2h", "split": (0.5, 0.25, 0.25)},
    {"time": "1", "key": "2", "columns": "3,4"},
    {"time": "time", "key": "key", "columns": "a,b", "date_order": "day", "decimal": "comma", "encoding": "latin-1"},
    {"what": "labels", "key": "key", "columns": "a,b", "target": "note", "split": (1, 0, 0)},
    {"what": "labels", "key": "key", "time": "time", "target": "note", "split": (0.5, 0, 0.5)},
    {"what": "tags", "columns": "a,b", "target": "note", "split": (1, 0, 0)},
    {"what": "tags", "key": "note", "time": "time", "columns": "a", "target": "key", "fill": 1, "split": (1, 0, 0)},
]


def mutate(chance: random.Random) -> bytes:
    """One changed table."""
    data = bytearray(chance.choice(SAMPLES))
    for _ in range(chance.choice([0, 1, 1, 2, 3, 8])):
        kind = chance.randrange(8)
        at = chance.randrange(len(data) + 1)
        span = chance.choice([1, 1, 2, 8, 40])
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at:at] = chance.choice([b",", b";", b"\t", b"|", b'"', b"\n", b"\r", b"\r\n", b" ", b"\xef\xbb\xbf"])
        elif kind == 2:
            del data[at : at + span]
        elif kind == 3:
            data[at : at + span] = chance.randbytes(span)
        else:
            _change_lines(data, chance)
    return bytes(data)


def _change_lines(data: bytearray, chance: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(5)
    if kind == 0:
        lines[at : at + 1] = [lines[at]] * chance.choice([0, 2, 3])
    elif kind == 1:
        chance.shuffle(lines)
    elif kind == 2:
        lines.insert(at, lines[0])
    else:
        divider = next((d for d in (b",", b";", b"\t", b"|") if d in lines[at]), b",")
        cells = lines[at].split(divider)
        cells[chance.randrange(len(cells))] = chance.choice(CELLS).encode()
        lines[at] = divider.join(cells)
    data[:] = b"\n".join(lines)


def fuzz_tables(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Read `count` changed tables, and make corpora of some; each depends on the seed and its number alone.

    Returns {"cases", "accepted": that were still tables, "peak_growth": bytes, "violations"}.
    """
    folder = Path(scratch)
    report: dict[str, Any] = {"cases": count, "accepted": 0, "peak_growth": 0, "violations": []}
    before = 0
    for case in range(count):
        chance = random.Random(seed * 1_000_003 + case)
        data, options = mutate(chance), series_options(**chance.choice(OPTIONS))
        try:
            report["accepted"] += read_both_ways(data, options)
            if case % WHOLE_EVERY == 0:
                _make_corpus(folder, data, options)
        except (DataError, UsageError) as error:
            if len(str(error)) > LONGEST_MESSAGE or "\n" in str(error):
                report["violations"].append(f"case {case}: a message of {len(str(error))}: {str(error)[:100]!r}")
        except Exception as error:
            report["violations"].append(f"case {case}: {type(error).__name__}: {error}"[:300])
        if case == min(1000, count // 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report["peak_growth"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return report


def read_both_ways(data: bytes, options: SeriesOptions) -> bool:
    """Whether the table is one, after a look that rows and blocks say the same, with bad rows and without."""
    found = find_form([("table", lambda: [data])], options.wanted, options.form())
    wanted = replace(options.wanted, columns=found.columns)
    results = [_read(data, wanted, found.form, how, skip) for skip in (False, True) for how in ("records", "blocks")]
    if results[0] != results[1]:
        raise AssertionError(f"rows and blocks differ: {results[0]!s:.100} and {results[1]!s:.100}")
    if results[2] != results[3]:
        raise AssertionError(f"without bad rows, rows and blocks differ: {results[2]!s:.100}, {results[3]!s:.100}")
    if isinstance(results[0], str):
        raise BadRow(results[0])
    return True


def _read(data: bytes, wanted: Wanted, form: Form, how: str, skip: bool) -> Any:
    """What a table holds, or the message of its error."""
    reader = TableReader([data], "table", wanted, form, skip=skip)
    keys: list[str] = []
    times: list[int] = []
    targets: list[tuple[str, int]] = []
    rows = [np.zeros((0, len(wanted.columns)), np.float32)]
    try:
        if how == "records":
            for record in reader.records():
                keys.append(record.key)
                targets += [(record.target, record.line)] if wanted.target else []
                times.append(record.time)
                rows.append(record.values.astype(np.float32)[None])
        else:
            for block in reader.blocks():
                keys += block.keys or [""] * len(block.times)
                targets += zip(block.targets, block.lines, strict=True)
                times += block.times.tolist()
                rows.append(block.values)
    except DataError as error:
        return str(error)
    return keys, times, targets, np.concatenate(rows).tobytes().hex(), reader.skipped


def _make_corpus(folder: Path, data: bytes, options: SeriesOptions) -> None:
    table, target = folder / "table.csv", folder / "made.h5"
    table.write_bytes(data)
    target.unlink(missing_ok=True)
    try:
        prepare_series([table], target, options)
    finally:
        left = sorted(path.name for path in folder.iterdir())
        assert left in (["made.h5", "table.csv"], ["table.csv"]), left
    with Corpus.open(target) as corpus:
        corpus.verify()
        if options.what is not None and corpus.splits["train"] == sum(corpus.splits.values()):
            _read_to_predict(data, corpus)


def _read_to_predict(data: bytes, corpus: Corpus) -> None:
    """Raises AssertionError where the sequences that a model predicts of are not those that it is trained on."""
    columns = corpus.columns
    series: dict[str, Stretches] = {}
    try:
        for record in open_table([data], "table", columns).records():
            series.setdefault(record.key, Stretches(columns, record.key)).add(record)
    except DataError:
        return  # rows have to be in the order of their times there
    found = Counter(rows.tobytes() for each in series.values() for rows in each.sequences())
    stored = Counter(rows.tobytes() for rows, _ in sequences_of(corpus.split("train"), columns))
    assert found == stored, "to predict its sequences are others"
