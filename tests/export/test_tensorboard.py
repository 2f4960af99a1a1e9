"""The export of a run's log for TensorBoard: at once, while the run is written, and where it cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from signalled import default_signals, default_signals_here

from gpurnn.cli.main import main
from gpurnn.exceptions import RunError, UsageError
from gpurnn.export.tensorboard import TensorBoard
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.lock import writer_of
from gpurnn.runs.log import RunLog

from .test_events import fields, records, scalars

BEGAN = 1_700_000_000


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "run", {"training": {}})
    os.utime(made.path / "config.json", (BEGAN, BEGAN))
    return made


def line(window: int, **more: Any) -> dict[str, Any]:
    return {"window": window, "epoch": window / 100, "nats_per_token": 200 / window, "seconds": window / 10, **more}


def append(run: RunDirectory, *entries: dict[str, Any]) -> None:
    with RunLog(run.log) as log:
        for entry in entries:
            log.append(entry)


def read(path: Path) -> list[Any]:
    """Events in a file but the first: (window, time, numbers), or the window from which on they no longer hold."""
    first, *rest = records(path.read_bytes())
    assert dict(fields(first))[3] == b"brain.Event:2"
    return [dict(fields(data))[2] if 7 in dict(fields(data)) else scalars(data) for data in rest]


def event(window: int, **more: float) -> tuple[int, float, dict[str, float]]:
    numbers = {"epoch": window / 100, "nats_per_token": 200 / window, **more}
    return window, BEGAN + window / 10, {key: float(np.float32(value)) for key, value in numbers.items()}


def test_a_window_that_is_none_is_left_out(run: RunDirectory, tmp_path: Path):
    """A log may come from anywhere; a step of an event is no number below 0."""
    run.log.write_text('{"window": -5, "epoch": 0.5}\n')
    board = TensorBoard(run.path, tmp_path / "board")
    board.write()
    assert read(board.path) == []
    run.log.write_text('{"window": 3, "epoch": 0.25}\n')
    (run.path / "lock").unlink()
    board.follow()
    assert read(board.path) == [0, (3, BEGAN, {"epoch": 0.25})]


def test_numbers_of_each_line(run: RunDirectory, tmp_path: Path):
    lines = [
        line(50, gradient_norm=None, text="no", parts=[1], on=True),
        line(100, valid_nats_per_token=1.5, stuck_lanes=2),
    ]
    append(run, *lines)
    board = TensorBoard(run.path, tmp_path / "a" / "board")
    board.write()
    expected = [event(50), event(100, valid_nats_per_token=1.5, stuck_lanes=2)]
    assert read(board.path) == expected
    assert board.path.name == "events.out.tfevents.0.gpurnn"
    assert board.windows == 100
    bits = board.path.read_bytes()
    with pytest.raises(RunError, match="it exists; give another name or `force` to replace it"):
        TensorBoard(run.path, tmp_path / "a" / "board").write()
    append(run, line(150))
    TensorBoard(run.path, tmp_path / "a" / "board", force=True).write()
    assert read(board.path) == [*expected, event(150)]
    assert board.path.read_bytes().startswith(bits)
    assert [path.name for path in board.path.parent.iterdir()] == [board.path.name]


def writing(run: RunDirectory) -> subprocess.Popen[bytes]:
    """A process that the lock of a run names; it ends when nothing more comes to its standard input."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    (run.path / "lock").write_text(f"{child.pid} on {os.uname().nodename}\n")
    return child


def test_a_run_that_is_written_is_followed_to_its_end(run: RunDirectory, tmp_path: Path):
    """With a line that is not finished yet, a run that goes back, and one that goes on elsewhere in the same file."""
    append(run, line(50))
    board = TensorBoard(run.path, tmp_path / "board")
    writer = writing(run)
    assert writer_of(run.path) == f"process {writer.pid} on {os.uname().nodename}"
    board.write()
    seen: list[list[Any]] = []

    def acts() -> Iterator[Callable[[], Any]]:
        yield lambda: append(run, line(100), line(150), line(200))
        yield lambda: run.log.write_bytes(run.log.read_bytes() + b'{"window":250,')
        yield lambda: run.log.write_bytes(run.log.read_bytes() + b'"epoch":2.5,"nats_per_token":0.8,"seconds":25.0}\n')
        yield lambda: back_to(100)
        yield lambda: append(run, line(150, divergences=1))
        yield lambda: None
        yield lambda: (append(run, line(200)), writer.communicate())

    def back_to(window: int) -> None:
        with RunLog(run.log) as log:
            log.truncate_to(window)
            log.append(line(140))

    waiting = acts()

    def sleep(seconds: float) -> None:
        seen.append(read(board.path))
        next(waiting)()

    board.follow(sleep)
    assert next(waiting, None) is None
    begin = [event(50)]
    before = [*begin, *map(event, (100, 150, 200))]
    assert seen[:3] == [begin, before, before]
    assert seen[3] == [*before, event(250)]
    assert seen[4] == [*before, event(250), 150, event(140)]
    end = [*seen[4], event(150, divergences=1), event(200)]
    assert read(board.path) == end
    assert writer_of(run.path) is None
    assert board.windows == 200


def test_a_writer_that_was_killed_is_gone(run: RunDirectory):
    (run.path / "lock").unlink()
    assert writer_of(run.path) is None
    with run.lock():
        assert writer_of(run.path) == f"process {os.getpid()} on {os.uname().nodename}"
    writer = writing(run)
    assert writer_of(run.path) == f"process {writer.pid} on {os.uname().nodename}"
    writer.kill()
    writer.communicate()
    assert writer_of(run.path) is None
    (run.path / "lock").write_text("1 on another.machine\n")
    assert writer_of(run.path) == "process 1 on another.machine"


def call(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["export", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    board = ("--format", "tensorboard", "-o")
    append(run, line(1500))
    name = "board/events.out.tfevents.0.gpurnn"
    ended = "no process writes run any more: it ended after 1,500 windows\n"
    (run.path / "lock").unlink()
    assert call("run", *board, "board", "--follow") == (0, f"{name}: 1,500 windows\n{ended}", "")
    code, _, told = call("run", *board, "board")
    assert (code, told) == (1, f"gpurnn: cannot write {name}: it exists; give another name or --force to replace it\n")
    assert call("run", *board, "board", "--force")[0] == 0
    assert call("run", *board, "run/board")[0] == 2
    assert call("run", *board, "-")[0] == 2
    assert call("run", "--format", "onnx-of-old", "-o", "board")[0] == 2
    assert call("nowhere", *board, "board") == (1, "", "gpurnn: no run directory at nowhere: check the path\n")
    (tmp_path / "file").write_text("in the way")
    assert call("run", *board, "file")[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"run", "board", "file"}


def test_a_run_without_a_line_has_an_empty_file(run: RunDirectory, tmp_path: Path):
    board = TensorBoard(run.path, tmp_path / "board")
    board.write()
    assert read(board.path) == [] and board.windows == 0
    with pytest.raises(UsageError, match="outside of the run"):
        TensorBoard(run.path, run.path / "checkpoints" / "board")


def test_ctrl_c_ends_following(run: RunDirectory, tmp_path: Path):
    append(run, line(50))
    options = ["export", str(run.path), "--format", "tensorboard", "-o", str(tmp_path / "board"), "--follow"]
    with run.lock():
        child = subprocess.Popen(
            [sys.executable, "-m", "gpurnn", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=default_signals,
        )
        assert child.stdout is not None and b"50 windows" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert told == b"gpurnn: stopped by SIGINT; nothing is lost\n"
    (path,) = (tmp_path / "board").iterdir()
    assert read(path) == [event(50)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_file_is_written_leaves_nothing(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
):
    append(run, line(10))
    (tmp_path / "board").mkdir()
    with default_signals_here(), monkeypatch.context() as patched:
        patched.setattr("gpurnn.files.durable.write_fully", lambda descriptor, data: signal.raise_signal(number))
        arguments = ["export", str(run.path), "--format", "tensorboard", "-o", str(tmp_path / "board")]
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 128 + number
    assert not list((tmp_path / "board").iterdir())
