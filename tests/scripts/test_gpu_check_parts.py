"""What scripts/gpu_check is made of: its rows, how each runs, the report. No device is needed."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bench_lib import cases
from bench_lib.cases import GATES, Case
from bench_lib.process import ProgramError
from gpu_check_lib import __main__ as command
from gpu_check_lib import model, plan, running
from gpu_check_lib import row as row_module
from gpu_check_lib.programs import Asked
from gpu_check_lib.report import Report
from gpu_check_lib.row import Context, Row
from gpu_check_lib.rows import suite, windows
from gpu_check_lib.timing import check_loss, window_seconds

ROOT = Path(__file__).resolve().parents[2]
H100 = model.GPUS["H100"]
ON_A_GPU = Context(False, sys.executable)


@pytest.fixture(autouse=True)
def planted_rows_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "scripts"), os.environ.get("PYTHONPATH", "")])
    )


def row(name: str, **fields: Any) -> Row:
    return Row(name, f"what {name} finds", f"planted:{name}", needs_gpu=False, **fields)


def checked(folder: Path, rows: Sequence[Row], minutes: float = 10.0) -> dict[str, Any]:
    """The report of a check of these rows, by name; both files say the same."""
    report = Report(folder, "report", False, minutes)
    command.check(lambda gpu: rows, report, ON_A_GPU)
    written = json.loads(report.data.read_text())
    assert written == report.as_json() and written["complete"]
    text = report.text.read_text()
    assert all(f"| {found['name']}" in text for found in written["rows"])
    return {found["name"]: found for found in written["rows"]}


# ---- the rows and their order


def test_the_first_ten_minutes_hold_the_rows_up_to_the_small_measurements() -> None:
    names = [row.name for row in plan.rows(H100)]
    assert len(names) == len(set(names))
    groups = ["environment", "tests-", "memcheck", "racecheck", "initcheck", "synccheck", "lstm-16-50-128-100", "loss"]
    groups += ["parts-", "host", "micro-", "gru-", "launches", "first-window", "sampling"]
    places = [next(i for i, name in enumerate(names) if name.startswith(group)) for group in groups]
    assert places == sorted(places)
    spent = list(itertools.accumulate(row.estimate for row in plan.rows(H100)))
    last_of_ten_minutes = max(i for i, name in enumerate(names) if name.startswith("micro-"))
    assert spent[last_of_ten_minutes] < 600 < spent[-1]
    assert names[places[6] : places[7]] == [
        f"{cell}-{'-'.join(map(str, shape))}" for shape in plan.FIRST for cell in ("lstm", "simple")
    ]


def test_every_size_of_the_benchmark_a_sweep_of_lanes_and_a_large_one_are_measured() -> None:
    measured = {Case(**row.arguments["case"]) for row in plan.rows(H100) if row.do.endswith("windows:compare")}
    assert measured >= set(cases.grid())
    assert measured >= {Case(cell, *plan.LARGE) for cell in GATES}
    assert measured >= {Case("lstm", lanes, 64, 256, 100) for lanes in plan.LANES}


def test_rows_of_the_smoke_form_ask_the_same_questions() -> None:
    def questions(rows: list[Row]) -> list[str]:
        return list(dict.fromkeys(row.do for row in rows))

    assert questions(plan.smoke(H100)) == questions(plan.rows(H100))


def test_estimates_follow_the_card() -> None:
    slow, fast = ({row.name: row.estimate for row in plan.rows(model.GPUS[name])} for name in ("T4", "H100"))
    assert slow["lstm-128-256-1024-100"] > 3 * fast["lstm-128-256-1024-100"]
    assert slow["lstm-16-50-128-100"] == pytest.approx(fast["lstm-16-50-128-100"], rel=0.02)  # a slice holds many


def test_limits() -> None:
    assert row("good", estimate=30.0).limit == 90
    assert row("good", estimate=1.0).limit == 20


def test_rows_are_chosen_by_name() -> None:
    rows = plan.rows(H100)
    assert [row.name for row in command.chosen(rows, ["host", "loss"], False)] == ["environment", "loss", "host"]
    assert not any(row.tests for row in command.chosen(rows, None, True))
    with pytest.raises(ValueError, match="--rows: no row is called hots; --list shows them"):
        command.chosen(rows, ["hots", "loss"], False)


def test_the_list_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "--rows", "loss"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["environment", "loss"]
    assert command.main(["--rows", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("scripts/gpu_check: --rows: no row is called nothing")
    for wrong in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(SystemExit, match="2"):
            command.main(["--minutes", wrong])


@pytest.mark.parametrize("command", [["gpu_check", "--list"], ["gpu_model"]], ids=" ".join)
def test_who_reads_only_the_beginning_is_not_told_of_it(command: list[str]) -> None:
    line = f"'{ROOT / 'scripts' / command[0]}' {' '.join(command[1:])} | head -n 1; exit ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHON": sys.executable, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


# ---- the model


@pytest.mark.parametrize(
    ("cell", "shape", "gpu", "float32", "tf32"),
    [
        ("simple", (16, 50, 128), "H100", 103, 97),
        ("lstm", (16, 50, 128), "H100", 219, 209),
        ("lstm", (64, 64, 1024), "H100", 5580, 1910),
        ("gru", (32, 64, 256), "A100", 1770, 1220),
        ("lstm", (128, 256, 1024), "RTX 4090", 37400, 32500),
        ("gru", (16, 50, 128), "T4", 361, 361),
    ],
)
def test_the_model_gives_what_was_worked_out_by_hand(
    cell: str, shape: tuple[int, int, int], gpu: str, float32: float, tf32: float
) -> None:
    found = [model.window(Case(cell, *shape, 100), model.GPUS[gpu], tf32=t) for t in (False, True)]
    assert [1e6 * each.seconds for each in found] == pytest.approx([float32, tf32], rel=0.006)
    for each in found:
        assert each.low < each.seconds < each.high
        assert each.recurrent < each.seconds


def test_the_card_is_known_by_the_drivers_name() -> None:
    assert model.gpu_named("NVIDIA H100 80GB HBM3") is H100
    assert model.gpu_named("NVIDIA GeForce GTX 1080") is None


# ---- how a row runs


def test_every_kind_of_failure_is_its_rows_and_the_others_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_module, "LEAST_LIMIT", 4.0)
    pids = tmp_path / "pids"
    hanging = row("hang", arguments={"pids": str(pids)}, estimate=0.1)
    rows = [row("good"), row("crash"), row("leave"), hanging, row("nan"), row("wrong"), row("cannot")]
    found = checked(tmp_path / "report", [*rows, Row("last", "", "planted:good", {"value": 2.0}, needs_gpu=False)])
    assert {name: (each["status"], each["reason"]) for name, each in found.items()} == {
        "good": ("done", None),
        "crash": ("failed", "its process ended by SIGSEGV"),
        "leave": ("failed", "its process ended with status 7"),
        "hang": ("failed", "ended after 4 s, in which it should have been done"),
        "nan": ("failed", "not finite: inner[0].loss, inner[1].loss"),
        "wrong": ("failed", "ValueError: what it found is not right"),
        "cannot": ("left_out", "this machine has no such thing"),
        "last": ("done", None),
    }
    assert (found["good"]["value"], found["last"]["value"]) == (1.0, 2.0)
    wait_for_the_end_of(pids)


def wait_for_the_end_of(pids: Path) -> None:
    """None of the processes is left."""
    for pid in map(int, pids.read_text().split()):
        for _ in range(200):
            if not running_now(pid):
                break
            time.sleep(0.02)
        assert not running_now(pid)


def running_now(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_where_gpurnn_cannot_use_the_device_the_rows_that_need_it_are_left_out(tmp_path: Path) -> None:
    environment = Row("environment", "", "planted:unusable", needs_gpu=False)
    found = checked(tmp_path, [environment, Row("needs", "", "planted:good"), row("good")])
    reason = "RuntimeError: device 'cuda': CuPy finds no usable GPU (CUDA driver version is insufficient)"
    assert (found["environment"]["status"], found["environment"]["reason"]) == ("failed", reason)
    assert found["needs"]["reason"] == f"gpurnn cannot use the device: {reason}"
    assert (found["needs"]["status"], found["good"]["status"]) == ("left_out", "done")


def test_rows_without_time_are_left_out(tmp_path: Path) -> None:
    found = checked(tmp_path, [row("good", estimate=2.0), row("wrong", estimate=500.0), row("nan", estimate=1.0)], 0.5)
    assert [each["status"] for each in found.values()] == ["done", "left_out", "failed"]
    assert found["wrong"]["reason"].startswith("it takes about 500 s, ")
    assert found["wrong"]["reason"].endswith(" s are left; --minutes gives more")


def test_estimates_are_made_anew_when_the_card_is_known(tmp_path: Path) -> None:
    asked: list[str] = []

    def planned(gpu: model.Gpu) -> list[Row]:
        asked.append(gpu.name)
        where = {"value": {"device": "Tesla T4"}}
        return [Row("environment", "", "planted:device", where, needs_gpu=False), row("good")]

    command.check(planned, Report(tmp_path, "report", False, 10.0), ON_A_GPU)
    assert asked == ["NVIDIA H100", "Tesla T4"]


# ---- killed

KILLS = 12


def test_killed_at_any_moment_both_reports_are_whole(tmp_path: Path) -> None:
    rng, seen = random.Random(5), set()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests" / "scripts"), str(ROOT)])
    }
    for number in range(KILLS):
        folder = tmp_path / str(number)
        child = subprocess.Popen(
            [sys.executable, "-m", "planted", str(folder), "100000"], env=environment, stdout=subprocess.DEVNULL
        )
        while not (folder / "report.json").exists():
            time.sleep(0.002)
        time.sleep(rng.random() * 0.2)
        child.kill()
        child.wait()
        data, text = json.loads((folder / "report.json").read_text()), (folder / "report.md").read_text()
        names = [each["name"] for each in data["rows"]]
        assert names == [f"row {n}" for n in range(len(names))]
        assert not data["complete"]
        assert text.endswith("\n") and "not complete" in text
        told = text.count("| row ")
        assert told in (len(names) + 1, len(names) + 2), "the text is written first"  # one line is the table's head
        seen.add(len(names))
    assert len(seen) > 4, "the kills did not fall at different moments"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_check_that_is_ended_leaves_a_report_and_no_process(tmp_path: Path, number: signal.Signals) -> None:
    pids, folder = tmp_path / "pids", tmp_path / "report"
    program = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from gpu_check_lib import __main__ as command, plan
from gpu_check_lib.row import Row
hang = Row("hang", "", "planted:hang", {{"pids": {str(pids)!r}}}, needs_gpu=False)
plan.rows = lambda gpu: [Row("good", "", "planted:good", needs_gpu=False), hang]
sys.exit(command.main(["--output", {str(folder)!r}]))
"""
    environment = running.environment(emulated=False)
    child = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.DEVNULL)
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        time.sleep(0.01)
        assert child.poll() is None
    child.send_signal(number)
    assert child.wait(20) == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    data = json.loads((folder / "report.json").read_text())
    assert [each["name"] for each in data["rows"]] == ["good"] and not data["complete"]
    if number == signal.SIGKILL:  # then the row ends with its parent, but what it started does not
        (first, second) = pids.read_text().split()
        pids.write_text(first)
        os.kill(int(second), signal.SIGKILL)
    wait_for_the_end_of(pids)


# ---- times


def fake_clock(durations: Callable[[int], float]) -> tuple[Callable[[], None], Callable[[], float], list[int]]:
    """A window, a mark behind it, and how many windows there were: window n takes durations(n)."""
    done, now = [0], [0.0]

    def window() -> None:
        now[0] += durations(done[0])
        done[0] += 1

    return window, lambda: now[0], done


def test_a_window_takes_the_median() -> None:
    window, mark, done = fake_clock(lambda n: [1.0, 2.0, 9.0][n % 3])
    assert window_seconds(window, mark, lambda start, end: end - start, 9) == 2.0
    assert done == [9]


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


def test_a_program_that_failed_is_started_anew() -> None:
    started: list[FakeProcess] = []

    def start() -> Any:
        def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
            if do == "fail":
                raise ProgramError("gpurnn: it failed")
            return {"process": number}

        number = len(started)
        started.append(FakeProcess([], answer))
        return started[-1]

    program = Asked("gpurnn", start)
    assert program.ask("run") == {"process": 0}
    with pytest.raises(ProgramError, match=r"^it failed$"):
        program.ask("fail")
    assert started[0].closed
    assert program.ask("run") == {"process": 1}
    assert len(started) == 2


CASE = Case("lstm", 64, 128, 512, 100)


def compared(
    monkeypatch: pytest.MonkeyPatch, ours: Callable[..., dict[str, Any]], torch: Callable[..., dict[str, Any]] | None
) -> dict[str, Any]:
    """What the row of a size finds where the programs answer so."""

    class Started:
        def __init__(self, asked: Any) -> None:
            self._asked = asked

        def __enter__(self) -> Any:
            return self._asked

        def __exit__(self, *error: object) -> None: ...

    def asked(name: str, ways: list[str], answer: Callable[..., dict[str, Any]]) -> Asked:
        return Asked(name, lambda: FakeProcess(ways, answer))  # type: ignore[arg-type, return-value]

    peer = (
        (None, "not compared: no torch")
        if torch is None
        else (asked("pytorch", ["default", "graph"], torch), "torch 2")
    )
    monkeypatch.setattr(windows, "started", lambda *_, **__: Started(asked("gpurnn", [], ours)))
    monkeypatch.setattr(windows, "peer", lambda context: Started(peer))
    device = {"device": {"device": "NVIDIA H100 PCIe"}, "pci_address": "0000:01"}
    return windows.compare(Context(False, sys.executable, device), case=vars(CASE))


def answering(seconds: dict[str, float], possible: dict[str, bool] | None = None) -> Callable[..., dict[str, Any]]:
    def answer(do: str, fields: dict[str, Any]) -> dict[str, Any]:
        if do == "run":
            return {"seconds": seconds[fields["variant"]], "clock_mhz": 1700}
        whole = (possible or {}).get(fields["way"], True)
        if not whole:
            return {"possible": False, "why": "it needs 3,072 threads"}
        if seconds[fields["variant"]] < 0:
            raise ProgramError("gpurnn: out of memory")
        return {"possible": True, "path": "loop", "why": "", "memory": 7, "clock_mhz": 1700, "warnings": []}

    return answer


def test_variants_are_timed_in_rounds_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = answering({"float32": 0.006, "TF32": 0.003}, {"whole-window graph": False})
    found = compared(monkeypatch, ours, answering({"PyTorch default": 0.012, "PyTorch graph": 0.0015}))
    variants = found["variants"]
    assert found["rounds"] == windows.ROUNDS and found["pytorch"] == "torch 2"
    assert {name: each["seconds"] for name, each in variants.items()} == {
        "float32": 0.006,
        "TF32": 0.003,
        "PyTorch default": 0.012,
        "PyTorch graph": 0.0015,
    }
    assert {name: each["times_float32"]["median"] for name, each in variants.items()} == pytest.approx(
        {"float32": 1.0, "TF32": 0.5, "PyTorch default": 2.0, "PyTorch graph": 0.25}
    )
    assert variants["float32"]["tokens_per_second"] == pytest.approx(CASE.tokens / 0.006)
    assert variants["float32"]["why"] == "it needs 3,072 threads"
    expected = model.window(CASE, H100, tf32=False)
    assert variants["float32"]["model"]["measured_over_model"] == pytest.approx(0.006 / expected.seconds)
    assert "model" not in variants["PyTorch default"]


def test_a_variant_that_fails_is_that_variants_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(
        monkeypatch,
        answering({"float32": 0.006, "TF32": 0.003}),
        answering({"PyTorch default": -1, "PyTorch graph": 1.0}),
    )
    assert found["variants"]["PyTorch default"] == {"possible": False, "error": "gpurnn: out of memory"}
    assert found["variants"]["PyTorch graph"]["seconds"] == 1.0


def test_without_pytorch_gpurnn_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(monkeypatch, answering({"float32": 0.006, "TF32": 0.003}), None)
    assert found["pytorch"] == "not compared: no torch"
    assert list(found["variants"]) == ["float32", "TF32"]


# ---- tests and the sanitizer


def script(folder: Path, text: str) -> str:
    path = folder / "compute-sanitizer"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def test_what_the_sanitizer_finds_is_a_failure_in_its_words(tmp_path: Path) -> None:
    said = "\\n========= ".join(
        ["", "Invalid __global__ write of size 4 bytes", "    at store+0x70", "ERROR SUMMARY: 1 error"]
    )
    command = script(tmp_path, f"print('1 passed'); print('{said}'); raise SystemExit(99)")
    with pytest.raises(
        RuntimeError, match=r"memcheck: Invalid __global__ write of size 4 bytes; at store.*1 error .exit 99"
    ):
        suite.sanitized(ON_A_GPU, tool="memcheck", arguments=["x"], command=command)
    command = script(tmp_path, "import sys; print(sys.argv[1:]); print('========= ERROR SUMMARY: 0 errors')")
    found = suite.sanitized(ON_A_GPU, tool="racecheck", arguments=["x.py"], command=command)
    assert found["errors"] == 0 and found["exit"] == 0
    assert "--tool=racecheck" in found["command"] and found["command"].endswith(" x.py")


def test_without_a_sanitizer_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(suite.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(row_module.LeftOut, match="compute-sanitizer is missing: pip install nvidia-cuda-sanitizer-api"):
        suite.sanitized(ON_A_GPU, tool="memcheck", arguments=[])


def test_the_last_line_of_failing_tests_is_the_reason(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shell = "print('.....'); print('=== 3 passed, 1 failed in 2.0s ===\\n'); raise SystemExit(1)"
    monkeypatch.setattr(suite, "_PYTEST", (sys.executable, "-c", shell))
    with pytest.raises(RuntimeError, match=r"^3 passed, 1 failed in 2.0s .exit 1; python -c "):
        suite.tests(ON_A_GPU, arguments=[])
    assert capfd.readouterr().out.startswith(".....\n=== 3 passed")


# ---- the report


def test_the_report_says_where_it_ran_what_failed_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(tmp_path / "new", "report", False, 10.0)
    environment = {"machine": {"system": "Linux", "nvidia_smi": None}, "device": {"device": "NVIDIA X"}}
    environment |= {
        "programs": {"gpurnn": "cupy 14", "pytorch": "not compared: no torch"},
        "warnings": ["it is crowded"],
    }
    done = {"status": "done", "reason": None, "seconds": 1.0}
    variant = {
        "possible": True,
        "seconds": 0.5,
        "low": 0.4,
        "high": 0.6,
        "memory": 3 << 20,
        "path": "loop",
        "why": "too wide",
    }
    report.add({"name": "environment", **done, **environment})
    report.add({"name": "loss", "status": "failed", "reason": "it differs", "seconds": 2.0})
    report.add(
        {"name": "size", **done, "case": vars(CASE), "variants": {"float32": variant, "TF32": {"error": "it broke"}}}
    )
    assert command._tell(report) == 1
    shown = capsys.readouterr()
    assert shown.err == "scripts/gpu_check: loss: it differs (and 2 more, in the report)\n"
    assert shown.out.splitlines()[-1] == f"attach to a report: {report.data} and {report.text}"
    lines = report.text.read_text().splitlines()
    for line in ("# gpurnn on NVIDIA X", "- pytorch: not compared: no torch", "PROBLEM: environment: it is crowded"):
        assert line in lines
    assert not any("emulated" in line or "nvidia_smi" in line for line in lines)
    (measured,) = [line for line in lines if "500.000 (400.000-600.000)" in line]
    assert [cell.strip() for cell in measured.strip("|").split("|")][6:8] == ["float32", "500.000 (400.000-600.000)"]
    assert "too wide" in measured
    assert json.loads(report.data.read_text())["format"] == 2


def test_rows_that_were_left_out_are_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(tmp_path, "report", False, 10.0)
    report.add({"name": "memcheck", "status": "left_out", "reason": "no sanitizer", "seconds": 0.0})
    assert command._tell(report) == 0
    assert capsys.readouterr().err == ""


def test_an_output_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        command.main(["--output", str(tmp_path / "file")])
    assert str(tmp_path / "file") in capsys.readouterr().err.splitlines()[-1]
