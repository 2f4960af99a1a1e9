"""What the keys of a terminal, and its end, do to training in its foreground."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from signalled import default_signals
from trained import documents, make_corpus

from gpurnn.runs.directory import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
SHELL = """
import os, signal, sys
reader, writer = os.pipe()
job = os.fork()
if not job:
    os.setpgid(0, 0)
    os.close(writer)
    os.read(reader, 1)  # until it is in the foreground
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(job, job)
os.tcsetpgrp(0, job)
os.close(writer)
status = os.waitpid(job, os.WUNTRACED)[1]
assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP, status
os.tcsetpgrp(0, os.getpgrp())
os.write(1, b"[1]+  Stopped\\n")
os.tcsetpgrp(0, job)  # fg
os.killpg(job, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
"""
"""A shell whose only job is stopped once and continued."""


class Terminal:
    """A terminal, and Python with some arguments in its foreground."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._ours, theirs = os.openpty()

        def take_it() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            default_signals()

        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=take_it,
        )
        os.close(theirs)

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def read_until(self, pattern: bytes) -> bytes:
        """What appears on it until this does."""
        shown = b""
        while not re.search(pattern, shown):
            shown += os.read(self._ours, 1 << 16)
        return shown

    def close(self) -> None:
        os.close(self._ours)


@pytest.fixture
def training(tmp_path: Path) -> tuple[str, ...]:
    make_corpus(tmp_path / "text.h5", documents(40))
    size = ("--hidden", "4", "--lanes", "2", "--bptt", "8", "--device", "cpu", "--threads", "1")
    return ("-m", "gpurnn", "train", "text.h5", "-o", "run", *size, "--minutes", "5", "--checkpoint-minutes", "60")


def last_window(folder: Path) -> int:
    window = RunDirectory(folder / "run").load("last").header["progress"]["windows"]
    assert isinstance(window, int)
    return window


def test_training_goes_on_after_ctrl_z_and_fg(tmp_path: Path, training: tuple[str, ...]) -> None:
    terminal = Terminal(tmp_path, "-c", SHELL, *training)
    terminal.read_until(rb"window \d+  epoch")
    terminal.press(b"\x1a")
    terminal.read_until(rb"Stopped\r\n")
    before = int(re.findall(rb"window (\d+)  epoch", terminal.read_until(rb"window \d+  epoch"))[-1])
    terminal.press(b"\x03")
    told = terminal.read_until(rb"generate: .*\n")
    assert terminal.process.wait(60) == 130
    assert b"stopped by SIGINT; wrote run/checkpoints/window-" in told
    assert last_window(tmp_path) >= before
    terminal.close()


def test_training_is_saved_when_its_terminal_goes_away(tmp_path: Path, training: tuple[str, ...]) -> None:
    terminal = Terminal(tmp_path, *training)
    shown = int(re.findall(rb"window (\d+)  epoch", terminal.read_until(rb"window \d+  epoch"))[-1])
    terminal.close()
    assert terminal.process.wait(60) == 129
    assert last_window(tmp_path) >= shown
