"""`gpurnn predict` and `gpurnn evaluate` on measured series: a file, a live pipe, stops, and what cannot be read."""

from __future__ import annotations

import csv
import json
import select
import signal
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from forecasting import HOUR, measured
from predicting import CPU, answer, process

import gpurnn
from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.forecasts import forecasts
from gpurnn.evaluation.series import evaluate_series
from gpurnn.runs.checkpoint import read_checkpoint
from gpurnn.training.load import load_trained

BEGIN = 1_356_998_400
HEADER = "when,temp,wind,where,note\n"


def iso(hour: int) -> str:
    return datetime.fromtimestamp(BEGIN + hour * HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(hour: int, values: np.ndarray, key: str) -> str:
    temp, wind = ("" if np.isnan(value) else f"{value:.2f}" for value in values)
    return f"{iso(hour)},{temp},{wind},{key},n{hour}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two stations, table.csv, the corpus made.h5, and runs on it in two precisions."""
    made = tmp_path_factory.mktemp("predict")
    rows = {key: measured(260, 2, seed=n) for n, key in enumerate(("Bonn", "Köln"))}
    lines = [row(hour, rows[key][hour], key) for hour in range(260) for key in rows if hour not in (140, 141)]
    (made / "table.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    corpus = gpurnn.prepare(made / "table.csv", made / "made.h5", series=True, time="when", key="where", clock=True)
    for name, dtype in (("run", "float32"), ("double", "float64")):
        options = {"target": "temp", "ahead": "6h", "windows": 6, "hidden": 8, "lanes": 2, "bptt": 16, "dtype": dtype}
        gpurnn.train(corpus, made / name, device="cpu", **options)  # type: ignore[arg-type]
    return made


def lines_of(folder: Path) -> list[str]:
    return (folder / "table.csv").read_text("utf-8").splitlines(keepends=True)


def run(command: str, *arguments: object, **options: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments), *CPU], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "bound"), [("run", 1e-5), ("double", 1e-10)])
def test_a_file_comes_back_with_what_evaluate_measures(folder: Path, name: str, bound: float):
    done = run("predict", folder / name, folder / "table.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header == [*HEADER.strip().split(","), "temp+6h", "when+6h"]
    assert [",".join(cells[:5]) + "\n" for cells in rows] == lines_of(folder)[1:]
    given = {(cells[3], cells[0]): float(cells[5]) for cells in rows if cells[5]}
    trained = load_trained(folder / name, backend.get("cpu"))
    with Corpus.open(folder / "made.h5") as corpus:
        seen = 0
        for split in ("train", "valid", "test"):
            for block in forecasts(trained.model, trained.forecast, corpus, split):
                for key, time, value in zip(block.keys, block.times, block.values[:, 0, 0], strict=True):
                    hour = (int(time) - BEGIN) // HOUR
                    if hour in (140, 141):  # no row is there, and the forecasts from it come from the gap
                        continue
                    assert abs(given[corpus.key_names[key], iso(hour)] - value) < bound * trained.forecast.scale[0]
                    seen += 1
    assert seen > 300


def test_evaluate_prints_the_errors_beside_those_of_simple_forecasts(folder: Path):
    trained = load_trained(folder / "run", backend.get("cpu"))
    with Corpus.open(folder / "made.h5") as corpus:
        expected = evaluate_series(trained.model, trained.forecast, corpus, "test")
    done = run("evaluate", folder / "run", "--split", "test", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == expected.to_json()
    done = run("evaluate", folder / "run", "--split", "test")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{trained.checkpoint.path} on split test of {folder}/made.h5"
    assert lines[1] == f"  targets {expected.targets:,}, errors in the unit of temp"
    assert lines[2].split() == ["MAE", "RMSE", "MASE"]
    told = {line[2:24].strip(): line.split()[-3:] for line in lines[3:] if len(line.split()) > 3}
    assert told["this model"] == [f"{expected.mae:.3f}", f"{expected.rmse:.3f}", f"{expected.mase:.3f}"]
    for name, each in expected.baselines.items():
        assert told[name][:2] == [f"{each.mae:.3f}", f"{each.rmse:.3f}"]
    assert lines[-3] == "  by series"
    assert lines[-1].split() == ["Köln", *(f"{value:.3f}" for value in expected.series["Köln"][1:])]
    found = gpurnn.evaluate(folder / "run", folder / "made.h5", "test", device="cpu")
    assert found == expected


def test_what_text_and_series_do_not_share(folder: Path, tmp_path: Path):
    done = run("evaluate", folder / "run", "--lanes", 2)
    assert (done.exit_code, done.stderr) == (
        2,
        "gpurnn: --lanes: series are read side by side as they are; leave it out\n",
    )
    text = tmp_path / "text.txt"
    text.write_text("so it goes on and on. " * 40)
    corpus = gpurnn.prepare(text, tmp_path / "text.h5")
    gpurnn.train(corpus, tmp_path / "text", windows=2, hidden=4, lanes=2, bptt=8, device="cpu")
    done = run("evaluate", tmp_path / "text", "--plot", tmp_path / "x.svg")
    assert done.exit_code == 2 and "--plot: there is nothing to draw of a model of text" in done.stderr
    done = run("predict", folder / "run", folder / "table.csv", "--words", folder / "table.csv")
    assert done.exit_code == 2 and "--words is for models of frames; " in done.stderr
    done = run("evaluate", folder / "run", tmp_path / "text.h5")
    assert done.exit_code == 1 and "text.h5" in done.stderr


def test_a_live_pipe_answers_each_row_at_once(folder: Path):
    header, *rows = lines_of(folder)
    whole = run("predict", folder / "run", folder / "table.csv").stdout.splitlines(keepends=True)
    with process(folder / "run", "-") as child:
        assert answer(child, header) == whole[0]
        for number in range(20):
            assert answer(child, rows[number]) == whole[number + 1]
        assert answer(child, header + rows[20]) == whole[21]
        first, second = rows[21][:9], rows[21][9:]
        assert child.stdin is not None
        child.stdin.write(first.encode())
        child.stdin.flush()
        assert answer(child, second + rows[22], lines=2) == whole[22] + whole[23]
        out, err = child.communicate(rows[23].rstrip("\n").encode(), timeout=60)
    assert (child.returncode, out.decode(), err) == (0, whole[24], b"")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)], ids=["TERM", "INT", "HUP"]
)
@pytest.mark.parametrize("again", [True, False], ids=["header", "no header"])
def test_stopped_and_started_again_it_is_an_undisturbed_pipe(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int, again: bool
):
    header, *rows = lines_of(folder)
    whole = run("predict", folder / "run", folder / "table.csv").stdout.splitlines(keepends=True)
    state = tmp_path / "state"
    with process(folder / "run", "-", "--state", state) as child:
        assert answer(child, header) == whole[0]
        for i in range(30):
            assert answer(child, rows[i]) == whole[i + 1]
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (code, b"")
    assert err.decode() == f"gpurnn: stopped by {number.name}; {state} keeps the state\n"
    with process(folder / "run", "-", "--state", state) as child:
        out, err = child.communicate((header * again + "".join(rows[30:])).encode(), timeout=60)
    assert (child.returncode, err) == (0, b"")
    assert out.decode() == whole[0] * again + "".join(whole[31:])
    assert read_checkpoint(state).tensors["times"].tolist() == [BEGIN + 259 * HOUR] * 2


def test_a_signal_to_save_is_none_to_stop_at(folder: Path):
    header, *rows = lines_of(folder)
    with process(folder / "run", "-") as child:
        answer(child, header)
        for number in (signal.SIGUSR1, signal.SIGUSR1):
            child.send_signal(number)
        assert answer(child, rows[0]).startswith(rows[0].strip())


def test_a_reader_that_takes_nothing_does_not_hold_it(folder: Path, tmp_path: Path):
    many = tmp_path / "many.csv"
    values = measured(4000, 2)
    many.write_text(HEADER + "".join(row(hour, values[hour], "Bonn") for hour in range(4000)))
    state = tmp_path / "state"
    with process(folder / "run", many, "--state", state) as child:
        assert child.stdout is not None
        assert select.select([child.stdout], [], [], 60)[0]  # it has begun, and soon the pipe is full
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=60)
    assert child.returncode == 143
    assert 1 <= (read_checkpoint(state).tensors["times"][0] - BEGIN) // HOUR < 4000


def test_a_reader_that_has_left_ends_it_and_the_state_is_kept(folder: Path, tmp_path: Path):
    header, *rows = lines_of(folder)
    with process(folder / "run", "-", "--state", tmp_path / "state") as child:
        answer(child, header + rows[0], lines=2)
        assert child.stdout is not None and child.stdin is not None and child.stderr is not None
        child.stdout.close()
        child.stdin.write("".join(rows[1:40]).encode())
        child.stdin.close()
        assert child.stderr.read() == b""
        child.wait(timeout=60)
    assert child.returncode == 0
    assert (tmp_path / "state").exists()


def test_rows_that_are_none(folder: Path, tmp_path: Path):
    header, *rows = lines_of(folder)
    table = tmp_path / "bad.csv"
    table.write_text(header + "".join(rows[:6]) + rows[0] + "total,4,4,x,y\n" + rows[6], encoding="utf-8")
    done = run("predict", folder / "run", table, "--state", tmp_path / "state")
    assert done.exit_code == 1 and len(done.stdout.splitlines()) == 7
    assert done.stderr == (
        f"gpurnn: {table}, line 8: 2013-01-01T00:00:00Z is not after the last row of Bonn, 2013-01-01T02:00:00Z; "
        "correct the row or leave it out, or give --bad-rows skip\n"
    )
    assert (tmp_path / "state").exists()
    done = run("predict", folder / "run", table, "--bad-rows", "skip")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 8)
    assert done.stderr.startswith(f"gpurnn: left out 2 rows; the first: {table}, line 9, column when: 'total'")


def test_a_run_on_every_other_row_takes_the_table_as_it_is(folder: Path, tmp_path: Path):
    corpus = gpurnn.prepare(
        folder / "table.csv", tmp_path / "coarse.h5", series=True, time="when", key="where", every="2h"
    )
    gpurnn.train(corpus, tmp_path / "coarse", target="temp", ahead="4h", windows=2, hidden=4, lanes=2, bptt=8)
    done = run("predict", tmp_path / "coarse", folder / "table.csv")
    header, *rows = done.stdout.splitlines()
    assert (done.exit_code, header) == (0, HEADER.strip() + ",temp+4h,when+4h")
    hours = {int(line.split(",")[4][1:]) % 2 for line in rows}
    assert len(hours) == 1 and len(rows) == 2 * 129
    assert done.stderr.startswith("gpurnn: left out 258 rows; the first: ")


def test_what_cannot_be_predicted(folder: Path, tmp_path: Path):
    table = folder / "table.csv"
    other = run("predict", folder / "double", table, "--state", tmp_path / "other")
    assert other.exit_code == 0
    done = run("predict", folder / "run", table, "--state", tmp_path / "other")
    assert done.exit_code == 1 and "it is the state of another model" in done.stderr and not done.stdout
    done = run("predict", folder / "run", table, "--state", table)
    assert done.exit_code == 1 and "not an intact checkpoint" in done.stderr
    assert lines_of(folder)[0] == HEADER
    done = run("predict", folder / "run", table, "--state", tmp_path / "no" / "state")
    assert done.exit_code == 1 and "there is no folder" in done.stderr and not done.stdout
    done = run("predict", folder / "run", tmp_path / "none.csv")
    assert done.exit_code == 1 and "none.csv" in done.stderr
    (tmp_path / "short.csv").write_text("when,temp,where\n2013-01-01T00:00:00Z,1,x\n")
    done = run("predict", folder / "run", tmp_path / "short.csv")
    assert done.exit_code == 1 and "there is no column 'wind'" in done.stderr


def test_objects_from_standard_input(folder: Path):
    done = run("predict", folder / "run", "-", "--jsonl", input="".join(lines_of(folder)[:3]))
    assert done.exit_code == 0
    first, second = map(json.loads, done.stdout.splitlines())
    assert list(first) == [*HEADER.strip().split(","), "temp+6h", "when+6h"]
    assert (second["where"], second["when+6h"]) == ("Köln", iso(6))


def test_the_forecaster_of_the_library(folder: Path):
    model = gpurnn.load(folder / "double", device="cpu")
    forecaster = model.forecaster()
    assert forecaster.forecast.names == ("temp+6h",)
    given = list(csv.reader(run("predict", folder / "double", folder / "table.csv").stdout.splitlines()))[1:9:2]
    for hour, cells in enumerate(given):
        values = [float(cell or "nan") for cell in cells[1:3]]
        found = forecaster.step(values, BEGIN + hour * HOUR)
        assert found[0] == pytest.approx(float(cells[5] or "nan"), rel=1e-9, nan_ok=True)
    assert "forecasts temp+6h, float64, on cpu" in repr(model)
    model.save(folder / "kept.model")
    kept = gpurnn.load(folder / "kept.model", device="cpu").forecaster()
    assert np.array_equal(kept.step([1.0, 2.0], BEGIN), model.forecaster().step([1.0, 2.0], BEGIN))
