"""What a terminal shows while a command works: one line that renews itself, and whole lines for all else."""

from __future__ import annotations

import os
import pty
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from trained import documents, make_corpus

ROOT = Path(__file__).resolve().parents[2]
SIZE = ("--hidden", "16", "--lanes", "2", "--bptt", "8", "--device", "cpu", "--threads", "1")
STATE = re.compile(r"window (\d+)  epoch \d+\.\d\d  (\d\.\d{3} nats  )?.*ETA (0:\d\d|-)")


def screen(text: str) -> list[str]:
    """The lines that are left on a terminal."""
    return [line.split("\r\x1b[2K")[-1].rstrip("\r") for line in text.split("\n")]


def shown(*arguments: str, largest_file: int | None = None, term: str = "xterm") -> tuple[int, list[str], str]:
    """Exit code, the lines left on the terminal, and all that was written to it."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    ours, theirs = pty.openpty()
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "TERM": term}
    command = [sys.executable, "-m", "gpurnn", *arguments]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs, stderr=theirs, preexec_fn=limit)
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 1 << 16):
            written += block
    except OSError:  # how Linux says that nobody holds the other side any more
        pass
    os.close(ours)
    return child.wait(60), screen(written.decode()), written.decode()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("terminal") / "text.h5", documents(40))


def test_one_line_is_left_of_a_line_that_renews_itself(corpus: Path, tmp_path: Path):
    options = (*SIZE, "--windows", "60", "--log-every", "10")
    code, lines, written = shown("train", str(corpus), "-o", str(tmp_path / "run"), *options)
    assert code == 0
    assert written.count("\x1b[2K") >= 7
    states = [line for line in lines if STATE.fullmatch(line)]
    assert [STATE.fullmatch(line)[1] for line in states] == ["60"]
    assert lines[lines.index(states[0]) + 1].startswith("60 windows are done; wrote ")


def test_a_warning_has_lines_of_its_own(corpus: Path, tmp_path: Path):
    """The file of a checkpoint would be too large: one warning for each that fails, at last an error."""
    options = ("--windows", "40", "--log-every", "5", "--checkpoint-minutes", "0", "--validate-every", "0")
    code, lines, _ = shown("train", str(corpus), "-o", str(tmp_path / "run"), *SIZE, *options, largest_file=8192)
    assert code == 1
    told = [line for line in lines if "cannot write checkpoint" in line]
    assert len(told) == 41 and all(line.startswith("gpurnn: cannot write checkpoint ") for line in told)
    assert [bool(STATE.fullmatch(line)) for line in lines[-3:]] == [True, False, False]
    assert lines[-2:] == [told[-1], ""]
    assert all(line in told for line in lines[1:-3])


def test_no_state_is_left_where_no_window_was_consumed(corpus: Path, tmp_path: Path):
    code, lines, _ = shown("train", str(corpus), "-o", str(tmp_path / "run"), *SIZE, "--windows", "0")
    assert code == 0
    assert lines[1].startswith("0 windows are done; wrote ")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_renews_no_line_gets_plain_ones(corpus: Path, tmp_path: Path, term: str):
    options = (*SIZE, "--windows", "60", "--log-every", "10", "--validate-every", "30")
    code, lines, written = shown("train", str(corpus), "-o", str(tmp_path / "run"), *options, term=term)
    assert code == 0
    assert "\x1b" not in written and written.count("\r") == written.count("\n")
    assert [STATE.fullmatch(line)[1] for line in lines if STATE.fullmatch(line)] == ["10", "20", "30", "40", "50", "60"]
    code, lines, written = shown("evaluate", str(tmp_path / "run"), "--device", "cpu", term=term)
    assert code == 0 and "\x1b" not in written
    assert lines[1].startswith("  tokens ")


def test_a_bar_is_left_of_each_phase(corpus: Path, tmp_path: Path):
    code, lines, written = shown("prepare", str(corpus.with_suffix(".txt")), "-o", str(tmp_path / "made.h5"))
    assert code == 0 and "\x1b" in written
    assert [line.split() for line in lines[:3]] == [
        ["reading", f"[{'#' * 30}]", "100%", "ETA", "0:00"],
        ["writing", f"[{'#' * 30}]", "100%", "ETA", "0:00"],
        ["verifying"],
    ]
    assert "in the vocabulary" in lines[3]
