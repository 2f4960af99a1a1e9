"""What scripts/gpu_check is made of: sizes, times, asking the programs, the report. No device is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_lib import cases
from bench_lib.cases import GATES, Case
from bench_lib.process import ProgramError
from gpu_check_lib import __main__ as command
from gpu_check_lib import report, sizes, suite
from gpu_check_lib.measure import Asked, Row, measure
from gpu_check_lib.timing import check_loss, seconds_per_window

LARGE, SMALL = Case("lstm", 1, 2, 160, 5), Case("gru", 2, 3, 4, 5)
COUNTS = {"kernels": 2.0, "graph_launches": 1.0, "h2d": 1.0, "d2d": 3.0, "memset": 4.0, "malloc": 0.0, "sync": 1.0}


# ---- sizes and times


def test_every_size_of_the_benchmark_and_small_ones_are_measured_with_tf32_and_without() -> None:
    runs = sizes.full().runs
    assert len(runs) == len(set(runs))
    measured = {case for case, _ in runs}
    assert set(runs) == {(case, tf32) for case in measured for tf32 in (False, True)}
    assert measured > set(cases.grid())
    assert {(case.cell, case.hidden) for case in measured} >= {(cell, h) for cell in GATES for h in (64, 128)}


def test_the_default_way_is_a_graph_of_whole_windows_where_they_fit() -> None:
    assert sizes.default_way(sizes.WAYS) == "whole-window graph"
    assert sizes.default_way({"eager", "graph"}) == "graph"


def fake_clock(durations: Callable[[int], float]) -> tuple[Callable[[], None], Callable[[], float], list[int]]:
    """A window, a mark behind it, and how many windows there were: window n takes durations(n)."""
    windows, now = [0], [0.0]

    def window() -> None:
        now[0] += durations(windows[0])
        windows[0] += 1

    return window, lambda: now[0], windows


def test_a_window_takes_the_median_after_warm_up() -> None:
    window, mark, windows = fake_clock(lambda n: 100.0 if n < 6 else [1.0, 2.0, 9.0][n % 3])
    assert seconds_per_window(window, mark, lambda start, end: end - start, 9, 0.0) == 2.0
    assert windows == [3 + 3 + 9]


def test_short_windows_are_timed_for_the_time_that_is_planned() -> None:
    window, mark, windows = fake_clock(lambda n: 0.25)
    assert seconds_per_window(window, mark, lambda start, end: end - start, 9, 10.0) == 0.25
    assert windows == [3 + 3 + 40]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_windows_that_did_not_train_are_no_measurement(loss: float) -> None:
    check_loss(1.0)
    with pytest.raises(ArithmeticError, match="the loss after the timed windows is"):
        check_loss(loss)


# ---- asking the programs


class FakeProcess:
    """Answers by a function of the request; a ProgramError is raised."""

    def __init__(self, ways: list[str], answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
        self.versions, self.ways, self._answer = "1.0", ways, answer
        self.closed = False

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        assert not self.closed
        return self._answer(do, fields)

    def close(self) -> None:
        self.closed = True


def asked(name: str, ways: list[str], answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Asked:
    return Asked(name, lambda: FakeProcess(ways, answer))  # type: ignore[arg-type, return-value]


def measured(answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> tuple[list[Row], list[str]]:
    """Rows and problems of one run of gpurnn in two ways."""
    problems: list[str] = []
    programs = [asked("gpurnn", ["eager", "graph"], answer)]
    return list(measure(programs, sizes.Plan([(SMALL, True)], 20, 0.5), problems.append)), problems


def test_a_row_for_each_way_has_what_was_measured_and_counted() -> None:
    def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
        if do == "count":
            return {"counts": COUNTS, "counters": None}
        assert (fields["windows"], fields["seconds"], fields["tf32"]) == (20, 0.5, True)
        assert fields["case"]["hidden"] == SMALL.hidden
        return {"possible": True, "seconds": 0.5, "memory": 7, "warnings": []}

    row = Row("gpurnn", SMALL, True, "eager", True, 0.5, 7, COUNTS)
    assert measured(answer) == ([row, replace(row, way="graph")], [])
    assert row.tokens_per_second == 12.0
    where = {"program": "gpurnn", "cell": "gru", "lanes": 2, "bptt": 3, "hidden": 4, "symbols": 5, "layers": 1}
    what = {"tf32": True, "way": "eager", "possible": True, "seconds": 0.5, "memory": 7, "counts": COUNTS}
    assert row.as_json() == where | what | {"counters": None, "tokens_per_second": 12.0}


def test_a_way_that_the_device_cannot_go_is_not_counted() -> None:
    rows, problems = measured(lambda do, fields: {"measure": {"possible": False}}[do])
    assert [row.possible for row in rows] == [False, False] and not problems


def test_what_cannot_be_counted_keeps_its_time_and_is_told() -> None:
    def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
        if do == "count":
            raise ProgramError("gpurnn: RuntimeError: refused")
        return {"possible": True, "seconds": 0.5, "memory": 7, "warnings": []}

    rows, problems = measured(answer)
    assert [(row.seconds, row.counts) for row in rows] == [(0.5, None), (0.5, None)]
    assert problems[0] == f"gpurnn: {SMALL}, TF32 on, eager: RuntimeError: refused"


def test_a_graph_that_was_given_up_is_told() -> None:
    def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
        if do == "count":
            return {"counts": COUNTS | {"graph_launches": 0.0}}
        warnings = ["it differs"] if fields["way"] == "graph" else []
        return {"possible": True, "seconds": 0.5, "memory": 7, "warnings": warnings}

    _, problems = measured(answer)
    assert problems == [
        f"gpurnn: {SMALL}, TF32 on, graph: it differs",
        f"gpurnn: {SMALL}, TF32 on, graph: expected one graph launch a window, found 0",
    ]


def test_a_program_that_failed_is_started_anew() -> None:
    started: list[FakeProcess] = []

    def start() -> Any:
        def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
            if do == "fail":
                raise ProgramError("it failed")
            return {"process": number}

        number = len(started)
        started.append(FakeProcess([], answer))
        return started[-1]

    program = Asked("gpurnn", start)
    assert program.ask("measure") == {"process": 0}
    with pytest.raises(ProgramError, match="it failed"):
        program.ask("fail")
    assert started[0].closed
    assert program.ask("measure") == {"process": 1}
    assert len(started) == 2


# ---- the report


def rows_of(case: Case, ours: dict[str, float], peers: dict[str, float]) -> list[Row]:
    """Rows by way and seconds; other ways are not possible."""
    made = [Row("gpurnn", case, False, way, way in ours, ours.get(way), 3 << 20, COUNTS) for way in sizes.WAYS]
    return made + [Row("pytorch", case, False, way, True, spent, 5 << 20) for way, spent in peers.items()]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_pytorch_is_compared_in_its_faster_way_with_what_training_does() -> None:
    rows = rows_of(LARGE, {"eager": 0.004, "graph": 0.002}, {"one-hot": 0.009, "rows": 0.005})
    rows += rows_of(SMALL, dict(zip(sizes.WAYS, (0.004, 0.003, 0.002, 0.001), strict=True)), {"rows": 0.0005})
    _, _, large, small = map(cells, report.time_table(rows))
    times = ["4.000 ms 500/s", "2.000 ms 1,000/s", "-", "-"]
    assert large == ["lstm", "1", "2", "160", "5", "1", "off", *times, "3", "5.000 ms 400/s (rows)", "5", "2.50"]
    assert small[7:11] == ["4.000 ms 1,500/s", "3.000 ms 2,000/s", "2.000 ms 3,000/s", "1.000 ms 6,000/s"]
    assert small[11:] == ["3", "0.500 ms 12,000/s (rows)", "5", "0.50"]


def test_what_was_not_measured_is_a_dash() -> None:
    _, _, line = map(cells, report.time_table([Row("gpurnn", SMALL, True, way, True) for way in sizes.WAYS]))
    assert line[6:] == ["on", *["-"] * 8]
    rows = [Row("gpurnn", SMALL, True, "eager"), *rows_of(SMALL, {}, {"rows": 1})]
    lines = list(map(cells, report.counts_table(rows)))
    assert lines[2][7:] == ["eager", *["-"] * 6]
    assert lines[3][7:] == ["eager", "2", "1", "1", "7", "0", "1"]
    assert len(lines) == 2 + 1 + len(sizes.WAYS), "PyTorch's launches are not counted"


def about(problems: list[str]) -> dict[str, Any]:
    return {
        "emulated": False,
        "machine": {"system": "Linux", "nvidia_smi": None},
        "device": {"device": "NVIDIA X"},
        "programs": {"gpurnn": "cupy 14", "pytorch": "not compared: no torch"},
        "suite": {"command": "python -m pytest", "exit": 1, "summary": "1 failed"},
        "problems": problems,
    }


def test_the_report_says_where_it_ran_what_failed_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(SMALL, {"eager": 0.5}, {})
    assert command._write(tmp_path / "new", "report", about(["first", "second", "third"]), rows) == 1
    shown = capsys.readouterr()
    assert shown.err == "scripts/gpu_check: first (and 2 more, in the report)\n"
    data, table = tmp_path / "new" / "report.json", tmp_path / "new" / "report.md"
    assert shown.out.splitlines()[-1] == f"attach to a report: {data} and {table}"
    lines = table.read_text().splitlines()
    for line in (
        "# gpurnn on NVIDIA X",
        "- pytorch: not compared: no torch",
        "- CuPy suite: 1 failed (exit 1)",
        "PROBLEM: second",
    ):
        assert line in lines
    assert not any("emulated" in line or "nvidia_smi" in line for line in lines)
    assert json.loads(data.read_text())["rows"] == [row.as_json() for row in rows]


def test_without_problems_the_exit_code_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command._write(tmp_path, "report", about([]), []) == 0
    assert capsys.readouterr().err == ""


def test_the_suite_is_shown_and_its_last_line_and_exit_kept(capfd: pytest.CaptureFixture[str]) -> None:
    shell = "print('.....'); print('=== 3 passed, 1 failed in 2.0s ===\\n'); raise SystemExit(1)"
    found = suite.run([sys.executable, "-c", shell])
    assert found["exit"] == 1 and found["summary"] == "3 passed, 1 failed in 2.0s"
    assert capfd.readouterr().out.startswith(".....\n=== 3 passed")
    assert suite.COMMAND == ("-m", "pytest", "--backend", "cuda")


def test_a_gpu_that_gpurnn_cannot_use_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unusable = asked("gpurnn", [], lambda do, fields: {})
    unusable.versions = "device 'cuda': CuPy finds no GPU"

    class Started:
        def __enter__(self) -> Asked:
            return unusable

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(command, "started", lambda *arguments, **named: Started())
    assert command.main(["--skip-tests"]) == 1
    assert capsys.readouterr().err == "scripts/gpu_check: device 'cuda': CuPy finds no GPU\n"
