"""Each command with each standard stream in each state that it can have: the right exit code, and no work is lost."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import struct
import termios
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from streams import BROKEN, STREAMS, Ended, gpurnn, start
from trained import documents

from gpurnn.data.corpus import Corpus
from gpurnn.runs.checkpoint import read_checkpoint

SIZE = ("--hidden", 5, "--lanes", 2, "--bptt", 8, "--log-every", 2, "--validate-every", 0, "--device", "cpu")
FIRST, LAST = 6, 12
"""The limits of a new run, and of one that goes on with it."""
TEXT = "".join(documents(24)).encode()


class Command(NamedTuple):
    """A command line; what is put in for {out} is a path of its own.

    given: standard input, "" where the command does not read it. empty: the exit code where that ends at once, as a
    terminal does that is gone. result: whether what the command is for is written to standard output. usual: the exit
    code where nothing is wrong with the streams. check: looks at {out} after 0.
    """

    line: tuple[object, ...]
    given: bytes = b""
    empty: int = 0
    result: bool = False
    usual: int = 0
    check: Callable[[Path, Path], None] = lambda folder, out: None


def _corpus_is_whole(folder: Path, out: Path) -> None:
    with Corpus.open(out) as made, Corpus.open(folder / "text.h5") as expected:
        made.verify()
        assert made.fingerprint == expected.fingerprint


def _trained_to(windows: int) -> Callable[[Path, Path], None]:
    def check(folder: Path, out: Path) -> None:
        file = f"checkpoints/window-{windows:010d}.safetensors"
        made, expected = read_checkpoint(out / file), read_checkpoint(folder / f"run{windows}" / file)
        assert made.tensors.keys() == expected.tensors.keys()
        for name, tensor in expected.tensors.items():
            np.testing.assert_array_equal(made.tensors[name], tensor, err_msg=name)
        assert len((out / "log.jsonl").read_text().splitlines()) == windows // 2

    return check


COMMANDS = {
    "prepare a file": Command(("prepare", "text.txt", "-o", "{out}"), check=_corpus_is_whole),
    "prepare standard input": Command(("prepare", "-", "-o", "{out}"), TEXT, empty=1, check=_corpus_is_whole),
    "import-corpus": Command(("import-corpus", "text.h5", "-o", "{out}"), check=_corpus_is_whole),
    "train": Command(("train", "text.h5", "-o", "{out}", "--windows", FIRST, *SIZE), check=_trained_to(FIRST)),
    "train --resume": Command(
        ("train", "--resume", "{copy}", "--windows", LAST, "--device", "cpu"), check=_trained_to(LAST)
    ),
    "info of a corpus": Command(("info", "text.h5"), result=True),
    "info of a run": Command(("info", f"run{FIRST}", "--json"), result=True),
    "evaluate": Command(("evaluate", f"run{FIRST}"), result=True),
    "evaluate --json": Command(("evaluate", f"run{FIRST}", "--json"), result=True),
    "sample": Command(("sample", f"run{FIRST}", "--length", 50, "--seed", 1, "--prompt-file", "-"), TEXT, result=True),
    "--help": Command(("--help",), result=True),
    "train --help": Command(("train", "--help"), result=True),
    "--version": Command(("--version",), result=True),
    "no command": Command((), usual=2),
    "an unknown option": Command(("train", "--nothing"), usual=2),
    "a missing corpus": Command(("info", "nothing.h5"), usual=1),
}


ALIKE = [
    ("prepare a file", "import-corpus"),
    ("train", "train --resume"),
    ("info of a corpus", "info of a run"),
    ("evaluate", "evaluate --json"),
    ("--help", "train --help"),
    ("an unknown option", "a missing corpus"),
]
"""Pairs that write in the same way: each of a pair is tried in half of the states."""
HALVES = {name: half for pair in ALIKE for half, name in enumerate(pair)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """text.txt, the corpus text.h5 of it, and a run for each of the limits, one going on with the other."""
    made = tmp_path_factory.mktemp("streams")
    (made / "text.txt").write_bytes(TEXT)
    assert gpurnn("prepare", made / "text.txt", "-o", made / "text.h5").code == 0
    for windows in (FIRST, LAST):
        done = gpurnn("train", made / "text.h5", "-o", made / f"run{windows}", "--windows", windows, *SIZE)
        assert done.code == 0, done.stderr
    return made


def _states(name: str) -> list[dict[str, str]]:
    """What to try: nothing wrong, each stream in each state in which it is of no use, all of them closed."""
    command = COMMANDS[name]
    states = [{stream: state} for stream in ("stdout", "stderr") for state in BROKEN]
    if name in HALVES:
        states = states[HALVES[name] :: 2]
    states += [{"stdin": state} for state in ("closed", "terminal gone") if command.given]
    return [{}, *states, dict.fromkeys(STREAMS, "closed")]


def _expected_code(command: Command, states: dict[str, str]) -> int:
    if command.usual:
        return command.usual
    if command.given and "stdin" in states:
        return 1 if states["stdin"] == "closed" else command.empty
    lost = states.get("stdout", "reader gone")
    return 1 if command.result and lost != "reader gone" else 0


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_state_of_each_stream(folder: Path, tmp_path: Path, name: str):
    command, states = COMMANDS[name], _states(name)

    def run(number: int) -> Ended:
        out = tmp_path / str(number)
        if "{copy}" in command.line:
            shutil.copytree(folder / f"run{FIRST}", out)
        paths = {"{out}": out, "{copy}": out} | {each: folder / each for each in ("text.txt", "text.h5", f"run{FIRST}")}
        line = [paths.get(str(word), word) for word in command.line]
        return gpurnn(*line, given=command.given, **states[number])

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(run, range(len(states))))
    for number, (state, found) in enumerate(zip(states, ended, strict=True)):
        out, where = tmp_path / str(number), f"{state}: {found}"
        assert found.code == _expected_code(command, state), where
        assert b"Traceback" not in found.stderr and b"ignored" not in found.stderr, where
        if not {"stdin", "stdout"} & state.keys():
            assert found.stdout == ended[0].stdout.replace(bytes(tmp_path / "0"), bytes(out)), where
        if found.code == 0:
            command.check(folder, out)
        elif not command.usual:
            assert not out.exists()
            if "stderr" not in state:
                assert found.stderr.startswith(b"gpurnn: standard ") and found.stderr.count(b"\n") == 1, where


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_training_goes_on_when_nobody_reads_any_more(folder: Path, tmp_path: Path, kind: str):
    """Its messages have a reader when it begins, who then leaves; on a terminal it renews a line until then."""
    ours, theirs = os.pipe() if kind == "pipe" else pty.openpty()
    line = ("train", folder / "text.h5", "-o", tmp_path / "run", "--windows", LAST, *SIZE)
    with start(*line, "--checkpoint-minutes", 0, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        assert os.read(ours, 1) == b"l"
        child.send_signal(signal.SIGSTOP)
        os.close(ours)
        child.send_signal(signal.SIGCONT)
        assert child.wait(60) == 0
    COMMANDS["train --resume"].check(folder, tmp_path / "run")


def test_training_does_not_wait_for_who_reads_nothing(folder: Path, tmp_path: Path):
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(theirs, bytes(1 << 16))
    os.set_blocking(theirs, True)
    done = gpurnn("train", folder / "text.h5", "-o", tmp_path / "run", "--windows", LAST, *SIZE, stderr=theirs)
    os.close(ours)
    assert done == (0, b"", b"")
    COMMANDS["train --resume"].check(folder, tmp_path / "run")


def test_a_result_waits_for_its_reader(folder: Path):
    """Also where the pipe is set not to block, as another program that has it may do."""
    line = ("sample", folder / f"run{FIRST}", "--length", 9000, "--seed", 1)
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(theirs, False)
    with start(*line, stdout=theirs) as child:
        os.close(theirs)
        _wait_until(lambda: _waiting(ours) > 4000)
        with open(ours, "rb") as reader:
            read = reader.read()
        assert (child.wait(60), child.stderr.read()) == (0, b"")
    assert read == gpurnn(*line).stdout and len(read.decode()) == 9000


def test_half_a_text_is_not_taken_for_all_of_it(folder: Path, tmp_path: Path):
    """Standard input is set not to block, and holds nothing for a while."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with start("prepare", "-", "-o", tmp_path / "made.h5", stdin=ours) as child:
        for part in (TEXT[:100], TEXT[100:]):
            os.write(theirs, part)
            _wait_until(lambda: _waiting(ours) == 0)
            time.sleep(0.2)
        os.close(ours)
        os.close(theirs)
        assert (child.wait(60), child.stderr.read()) == (0, b"")
    _corpus_is_whole(folder, tmp_path / "made.h5")


def test_no_file_is_in_the_place_of_a_closed_stream(tmp_path: Path):
    """What a C library writes to it would go into that file."""
    with start("prepare", "-", "-o", tmp_path / "made.h5", stdout="closed", stderr="closed") as child:
        child.stdin.write(TEXT)
        child.stdin.flush()
        _wait_until(lambda: _waiting(child.stdin.fileno()) == 0)
        open_files = [str(Path(f"/proc/{child.pid}/fd/{number}").readlink()) for number in (1, 2)]
        child.stdin.close()
        assert child.wait(60) == 0
    assert open_files == [os.devnull] * 2


def test_what_others_wrote_to_a_full_stream_leaves_the_exit_code():
    """Python keeps a warning that it could not write, tries again at its exit, and would end with 120."""
    code = "import sys, warnings; from gpurnn.cli.main import main; warnings.warn('x'); main(['--version'])"
    with start(program=("-c", code), stderr="full") as child:
        assert child.stdout.read().startswith(b"gpurnn, version ")
        assert child.wait(60) == 0


def _waiting(number: int) -> int:
    """Bytes that a pipe holds."""
    (held,) = struct.unpack("i", fcntl.ioctl(number, termios.FIONREAD, bytes(4)))
    return held


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
