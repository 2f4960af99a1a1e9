"""Every stop signal in every command and stage: an exit code, one line, and nothing half-written."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from signalled import TABLE, default_signals
from trained import documents, make_corpus, make_run

from gpurnn import backend
from gpurnn.runs.directory import RunDirectory
from gpurnn.signals import STOPS

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = """
import sys
from signalled import pause_at
if sys.argv[2]:
    pause_at(sys.argv[2], int(sys.argv[1]))
del sys.argv[1:3]
from gpurnn.__main__ import main
main()
"""
SIZE = ("--hidden", "4", "--lanes", "2", "--bptt", "8", "--device", "cpu", "--threads", "1")
TRAIN = ("train", "text.h5", "-o", "new", *SIZE)
ENDLESS = (*TRAIN, "--log-every", "1", "--minutes", "5", "--validate-every", "0", "--checkpoint-minutes", "60")
SAMPLE = ("sample", "run", "--length", "0", "--device", "cpu")
EVALUATE = ("evaluate", "run", "--device", "cpu")
PREPARE = ("prepare", "text.txt", "-o", "new")
IMPORT = ("import-corpus", "text.h5", "-o", "new")
AT_ONCE = [
    ("import click", ("info", "text.h5")),
    ("import numpy", TRAIN),
    ("import h5py", PREPARE),
    ("gpurnn.data.corpus:Corpus.open", TRAIN),
    ("gpurnn.network.params:Params.initialise", TRAIN),
    ("gpurnn.runs.checkpoint:read_checkpoint", ("train", "--resume", "run")),
    ("gpurnn.training.validation:ForwardPass.__init__", EVALUATE),
    ("gpurnn.data.corpus:Corpus.verify", ("info", "text.h5", "--verify")),
    ("gpurnn.training.describe:describe_run", ("info", "run")),
]
"""A place where a process is when the signal comes, and the command: nothing is to be tidied up there."""
TIDIED = [
    ("gpurnn.data.corpus.spool:Spool.append", PREPARE),
    ("gpurnn.data.corpus.packing:Packer.split", PREPARE),
    ("gpurnn.data.corpus.packing:Packer.finish", PREPARE),
    ("gpurnn.data.corpus:Corpus.verify", PREPARE),
    ("gpurnn.data.corpus.importing:_read_manifest", IMPORT),
    ("gpurnn.data.corpus.writer:CorpusWriter.append", IMPORT),
    ("gpurnn.data.corpus:Corpus.verify", IMPORT),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, a corpus of it and a run on that."""
    folder = tmp_path_factory.mktemp("signals")
    make_run(backend.get("cpu"), make_corpus(folder / "text.h5", documents(40)), folder / "run")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    for name in ("text.txt", "text.h5", "run"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


class Command:
    """A `gpurnn` process in `folder`, which may stop at a place (see `signalled.pause_at`) and wait there."""

    def __init__(
        self,
        folder: Path,
        arguments: tuple[str, ...],
        place: str = "",
        prefix: tuple[str, ...] = (),
        before: Callable[[], None] = default_signals,
        **streams: Any,
    ) -> None:
        self._reader, writer = os.pipe()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", LAUNCH, str(writer), place, *arguments],
            cwd=folder,
            env=environment,
            preexec_fn=before,
            pass_fds=[writer],
            **streams,
        )
        os.close(writer)

    def wait_for_place(self) -> None:
        """Until it is there; raises where it ended without."""
        place = os.read(self._reader, 1)
        assert place, self.end()

    def wait_for_line(self, beginning: bytes) -> None:
        """Until it has written such a line to standard error."""
        assert self.process.stderr is not None
        while not (line := self.process.stderr.readline()).startswith(beginning):
            assert line, "it ended"

    def end(self) -> tuple[int, str]:
        """Its exit code and what else it wrote to standard error."""
        os.close(self._reader)
        errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode, errors.decode()


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def name_of(case: object) -> str:
    return case.name if isinstance(case, signal.Signals) else str(case).rpartition(".")[2] if case else ""


@pytest.mark.parametrize(
    ("place", "arguments", "number"),
    [(*each, number) for each, number in zip(AT_ONCE, cycle(STOPS), strict=False)],
    ids=[f"{arguments[0]}-{place}" for place, arguments in AT_ONCE],
)
def test_a_command_ends_where_it_stands(
    folder: Path, place: str, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    command = Command(folder, arguments, place)
    command.wait_for_place()
    command.process.send_signal(signal.SIGUSR1)  # which asks nothing of it
    command.process.send_signal(number)
    assert command.end() == (128 + number, f"gpurnn: stopped by {number.name}; nothing is lost\n")
    assert listing(folder) == ["run", "text.h5", "text.txt"]


@pytest.mark.parametrize(
    ("place", "arguments", "number"),
    [(*each, number) for each, number in zip(TIDIED, cycle(reversed(STOPS)), strict=False)],
    ids=[f"{arguments[0]}-{place}" for place, arguments in TIDIED],
)
def test_what_is_half_written_is_removed(
    folder: Path, place: str, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    command = Command(folder, arguments, place)
    command.wait_for_place()
    command.process.send_signal(signal.SIGUSR1)
    command.process.send_signal(number)
    assert command.end() == (128 + number, f"gpurnn: stopped by {number.name}; nothing half-written is left\n")
    assert listing(folder) == ["run", "text.h5", "text.txt"]


def test_an_output_that_takes_nothing_holds_no_signal_up(folder: Path) -> None:
    """Both streams are one pipe, which is full: the line that says so is left out."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = Command(folder, SAMPLE, stdout=writer, stderr=writer)
    os.close(writer)
    full = size - 1  # an umlaut, two bytes, waits where one is free
    while int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder) < full:
        time.sleep(0.02)
    command.process.send_signal(signal.SIGTERM)
    assert command.process.wait(60) == 143
    os.close(reader)


@pytest.mark.parametrize("twice", [(signal.SIGINT, signal.SIGINT), (signal.SIGQUIT, signal.SIGTERM)])
def test_a_second_signal_stops_training_at_once(folder: Path, twice: tuple[signal.Signals, signal.Signals]) -> None:
    command = Command(folder, ENDLESS, "gpurnn.training.learner:Learner.consume")
    command.wait_for_place()
    command.process.send_signal(twice[0])
    while command.process.poll() is None:  # two of a kind at the same moment are one
        command.process.send_signal(twice[1])
        time.sleep(0.05)
    lost = "what was learnt since the last checkpoint is lost"
    code, errors = command.end()
    assert (code, errors.splitlines()[-1]) == (128 + twice[1], f"gpurnn: stopped by {twice[1].name}; {lost}")
    assert listing(folder / "new" / "checkpoints") == []


def test_what_was_ignored_at_the_start_stays_ignored(folder: Path) -> None:
    command = Command(folder, (*ENDLESS, "--windows", "100"), before=partial(default_signals, TABLE))
    command.wait_for_line(b"window 3 ")
    for number in TABLE:
        command.process.send_signal(number)
    code, errors = command.end()
    assert code == 0
    assert "100 windows are done; wrote " in errors
    assert listing(folder / "new" / "checkpoints") == ["window-0000000100.safetensors"]


def test_a_checkpoint_that_is_asked_for(folder: Path) -> None:
    command = Command(folder, ENDLESS)
    command.wait_for_line(b"window 3 ")
    command.process.send_signal(signal.SIGUSR1)
    saved = folder / "new" / "checkpoints"
    while not list(saved.glob("window-*")):
        time.sleep(0.02)
    (first,) = saved.glob("window-*")
    command.wait_for_line(f"window {int(first.stem[7:]) + 1} ".encode())
    command.process.send_signal(signal.SIGTERM)
    assert command.end()[0] == 143
    assert len(listing(saved)) == 2 and first.name == listing(saved)[0]


def test_a_signal_to_a_stopped_process_arrives_when_it_goes_on(folder: Path) -> None:
    command = Command(folder, ENDLESS)
    command.wait_for_line(b"window 3 ")
    command.process.send_signal(signal.SIGSTOP)
    os.waitpid(command.process.pid, os.WUNTRACED)
    command.process.send_signal(signal.SIGHUP)
    assert command.process.poll() is None
    command.process.send_signal(signal.SIGCONT)
    code, errors = command.end()
    assert (code, "stopped by SIGHUP; wrote " in errors) == (129, True)


def test_a_command_that_is_done_keeps_its_code(folder: Path) -> None:
    command = Command(folder, ("info", "text.h5"), "exit")
    command.wait_for_place()
    for number in TABLE:
        command.process.send_signal(number)
    assert command.end() == (0, "")


def unshared() -> tuple[str, ...]:
    """What makes a command process 1 of a namespace of its own; skips where that is not allowed."""
    prefix = ("unshare", "--user", "--map-root-user", "--pid", "--fork")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make a namespace: unshare --user --pid")
    return prefix


@pytest.mark.parametrize(
    ("place", "arguments", "told"),
    [
        ("import click", EVALUATE, "nothing is lost"),
        ("gpurnn.data.corpus:Corpus.verify", PREPARE, "nothing half-written is left"),
        ("", ENDLESS, "wrote new/checkpoints/window-"),
    ],
)
def test_process_1(folder: Path, place: str, arguments: tuple[str, ...], told: str) -> None:
    """The kernel drops signals that process 1 has no handler for."""
    command = Command(folder, arguments, place, prefix=unshared())
    if place:
        command.wait_for_place()
    else:
        command.wait_for_line(b"window 3 ")
    children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    code, errors = command.end()
    assert (code, f"stopped by SIGTERM; {told}" in errors) == (143, True), errors


@pytest.mark.parametrize("number", STOPS)
def test_training_is_saved(folder: Path, number: signal.Signals) -> None:
    command = Command(folder, (*ENDLESS, "--windows", "1000000"))
    command.wait_for_line(b"window 3 ")
    command.process.send_signal(number)
    code, errors = command.end()
    assert code == 128 + number
    told = re.search(rf"^stopped by {number.name}; wrote (new/checkpoints/window-0*(\d+)\.safetensors)$", errors, re.M)
    assert told, errors
    assert "go on:    gpurnn train --resume new --device cpu --threads 1 --windows 1000000\n" in errors
    assert len((folder / "new" / "log.jsonl").read_text().splitlines()) == int(told[2])
    assert RunDirectory(folder / "new").load("last").path == Path(folder / told[1])


def test_a_program_that_calls_the_command_line_keeps_its_handlers(folder: Path) -> None:
    script = (
        "import signal; from gpurnn.cli import main; main(['info', 'text.h5'], standalone_mode=False);"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler;"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, preexec_fn=default_signals, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
