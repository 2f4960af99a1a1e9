"""Windows of measured series, against what each number has to be, computed row by row."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import WindowStream
from gpurnn.data.stream.stretches import StretchStream, last_known, lead_of
from gpurnn.exceptions import DataError, UsageError
from tests.corpora import HOUR, Made, columns, rows
from tests.corpora import series as two_stations

NAN = float("nan")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    two_stations(train=90).write(tmp_path / "w.h5")
    return Corpus.open(tmp_path / "w.h5")


def forecast(
    corpus: Corpus, target: tuple[str, ...] = ("temp", "wind °"), ahead: tuple[str, ...] = ("1h", "3h")
) -> Forecast:
    return Forecast(corpus.columns, target, ahead)


def naive_targets(rows: np.ndarray, begins: set[int], what: Forecast) -> np.ndarray:
    """(n, C A): each target by its definition."""
    found = np.full((len(rows), what.width), NAN)
    for i, (j, (name, ahead)) in product(range(len(rows)), enumerate(product(what.target, what.ahead))):
        column, hours = what.columns.names.index(name), int(ahead.removesuffix("h"))
        if i + hours < len(rows) and not any(k in begins for k in range(i + 1, i + hours + 1)):
            change = np.float64(rows[i + hours, column]) - np.float64(rows[i, column])
            found[i, j] = change / what.columns.scale[column]
    return found


@pytest.mark.parametrize(("lanes", "steps"), [(1, 7), (3, 5), (4, 11), (7, 2)])
@pytest.mark.parametrize("block_bytes", [1, 200, 1 << 20])
def test_each_number_of_a_window(
    corpus: Corpus, lanes: int, steps: int, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpurnn.data.stream.lanes._BLOCK_BYTES", block_bytes)
    what, split = forecast(corpus), corpus.split("train")
    raw = np.empty((len(split), corpus.columns.inputs), np.float32)
    split.read_rows(0, raw)
    starts = np.empty(len(split.documents), np.uint64)
    split.documents.read(0, starts)
    begins = set(map(int, starts))
    targets = naive_targets(raw, begins, what)
    scaled = np.where(np.isnan(raw), 0, (raw - corpus.columns.mean) / corpus.columns.scale)
    lane, burn_in = len(split) // lanes, 4
    age = [i - max(b for b in begins if b <= i) for i in range(len(split))]
    with WindowStream(split, lanes=lanes, steps=steps, epochs=2, plan=False, forecast=what, burn_in=burn_in) as stream:
        seen = 0
        for window in stream:
            offset = window.index % stream.windows_per_epoch * steps
            for t, b in product(range(len(window.carry)), range(lanes)):
                at, i = (t, b), b * lane + offset + t
                assert window.carry[at] == (0 if i in begins or offset + t == 0 else 1)
                np.testing.assert_allclose(window.reals[at], scaled[i], rtol=1e-5, atol=1e-5)
                np.testing.assert_allclose(window.targets[at], targets[i], rtol=1e-4, atol=1e-5)
                young = min(age[i], offset + t) < burn_in
                assert window.weight[at] == (0 if young or np.isnan(targets[i]).all() else 1)
                seen += 1
            assert window.weight_sum == window.weight.sum() and not window.plans
    assert seen == 2 * lanes * lane


def test_a_cursor_goes_on_with_the_same_windows(corpus: Corpus) -> None:
    what = forecast(corpus)
    more = {"lanes": 2, "steps": 6, "epochs": 2, "plan": False, "forecast": what, "burn_in": 3, "restart": 0.3}
    with WindowStream(corpus, **more) as stream:  # type: ignore[arg-type]
        whole = list(stream)
    with WindowStream(corpus, **more, cursor=whole[4].cursor) as stream:  # type: ignore[arg-type]
        rest = list(stream)
    assert len(rest) == len(whole) - 5
    for one, two in zip(rest, whole[5:], strict=True):
        for name in ("carry", "weight", "reals", "targets"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    ("target", "ahead", "told"),
    [
        (("tmep",), ("1h",), "`target=tmep`: there is no column 'tmep'; did you mean 'temp'?"),
        (("hour_sin",), ("1h",), "`target=hour_sin`: this column is of the clock; forecast a measured one"),
        (("temp",), ("90min",), "`ahead=90min`: expected a multiple of the interval between rows, 1 h"),
        (("temp",), (), "`ahead`: expected at least one"),
        (("temp", "temp"), ("1h",), "`target`: temp is there twice"),
        (("temp",), ("soon",), "`ahead=soon`: expected a number and s, min, h, d or w, such as 24h or 10min"),
    ],
)
def test_what_cannot_be_forecast(corpus: Corpus, target: tuple[str, ...], ahead: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError) as error:
        Forecast(corpus.columns, target, ahead)
    assert str(error.value) == told


def split_in_three(path: Path, gap: int = 0) -> Corpus:
    """One key, whose rows go on from split to split; another that misses rows between train and valid."""
    begin = 1_357_000_000 // HOUR * HOUR
    counts = {"train": 50, "valid": 9, "test": 12}
    splits, time = {}, begin
    for seed, (name, count) in enumerate(counts.items()):
        later = time + (gap * HOUR if name == "valid" else 0)
        splits[name] = {
            "reals": rows(2 * count, 2, seed),
            "documents": np.array([0, count], "<u8"),
            "keys": np.array([0, 1], "u1"),
            "starts": np.array([time, later], "<i8"),
        }
        time += count * HOUR
    Made("series", splits, Tables(columns=columns("temp", "wind", key="place"), keys=("A", "B"))).write(path)
    return Corpus.open(path)


@pytest.mark.parametrize(
    ("lanes", "steps", "lead", "gap"), [(1, 4, 0, 0), (2, 7, 13, 0), (1, 100, 55, 0), (2, 5, 55, 2)]
)
@pytest.mark.parametrize("hours", [(2, 5), (2, 12)])
def test_stretches_have_every_target_of_a_split_once(
    tmp_path: Path, lanes: int, steps: int, lead: int, gap: int, hours: tuple[int, int]
) -> None:
    """Of the test split, 12 rows; what is known of rows before it comes from the splits before, as far as they go on.

    Where no row of the split has another one 12 hours later in it, forecasts from rows before it count.
    """
    corpus = split_in_three(tmp_path / "w.h5", gap)
    what = forecast(corpus, ("temp",), tuple(f"{each}h" for each in hours))
    series_of = {}
    for key in range(2):
        parts, counts = [], []
        for name in ("train", "valid", "test"):
            split = corpus.split(name)
            whole = np.empty((len(split), 2), np.float32)
            split.read_rows(0, whole)
            parts.append(whole[len(split) // 2 * key : len(split) // 2 * (key + 1)])
            counts.append(len(parts[-1]))
        if gap and key == 1:
            parts, counts = parts[1:], counts[1:]  # its valid begins later, and ends where its test does not begin
            parts, counts = parts[1:], counts[1:]
        before = sum(counts[:-1])
        first = max(0, before - lead)
        series_of[key] = np.concatenate(parts)[first:], before - first
    expected = {}
    for key, (values, led) in series_of.items():
        known = NAN
        for i, value in enumerate(values[:, 0]):
            known = known if math.isnan(value) else float(value)
            for j, ahead in enumerate(hours):
                made = i + ahead if max(hours) == 12 else i
                if made < led or i + ahead >= len(values):
                    continue
                if not math.isnan(values[i + ahead, 0]) and not math.isnan(known):
                    change = (float(values[i + ahead, 0]) - known) / what.columns.scale[0]
                    expected[key, i - led, j] = (known, change)
    test_begins = int(corpus.split("test").starts()[0])
    stream = StretchStream(corpus, "test", what, lanes=lanes, steps=steps, lead=lead)
    found, carried = {}, 0
    for window in stream.recycled():
        place = stream.place(window)
        carried += int(np.count_nonzero(window.carry))
        for t, b, j in zip(*np.nonzero(~np.isnan(window.targets)), strict=True):
            assert window.weight[t, b] == 1
            row = (int(place.time[t, b]) - test_begins) // HOUR
            at = int(place.key[t, b]), row, int(j)
            assert at not in found
            found[at] = float(place.now[t, b, 0]), float(window.targets[t, b, j])
    assert found.keys() == expected.keys() and (len(found) > 10 or lead == 0)
    for at, (now, change) in expected.items():
        assert found[at] == pytest.approx((now, change), rel=1e-5, abs=1e-5)
    assert carried == stream.rows - 2, "a state of zeros at the beginning of each stretch, and nowhere else"


def test_the_last_known_value_goes_on() -> None:
    values = np.array([[NAN, 1], [2, NAN], [NAN, NAN], [3, 4]])
    found = last_known(values, np.array([NAN, 7.0]))
    np.testing.assert_array_equal(found, [[NAN, 1], [2, 1], [2, 1], [3, 4]])


def test_a_split_without_rows(corpus: Corpus) -> None:
    with pytest.raises(DataError, match="split valid has no rows"):
        StretchStream(corpus, "valid", forecast(corpus))


def test_the_lead_is_long_enough_for_targets_and_days(corpus: Corpus) -> None:
    assert lead_of(forecast(corpus, ahead=("1h", "30h"))) == 30 + 96
