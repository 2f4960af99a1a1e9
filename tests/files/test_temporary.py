"""Temporary files beside a corpus: those of killed processes are swept, those of live ones are not."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.data.prepare import prepare
from gpurnn.files import temporary
from gpurnn.files.temporary import create_beside, sweep_beside

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal
from gpurnn.data.prepare import prepare

prepare(["x.txt"], "o.h5", progress=lambda phase, *done: phase != "verifying" or os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "x.txt"
    path.write_text("abcdef" * 100)
    return path


@pytest.fixture
def left(tmp_path: Path, text: Path) -> Path:
    """What a killed prepare leaves."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (path,) = tmp_path.glob(".o.h5.*.tmp")
    return path


def test_what_a_killed_prepare_left_is_swept_by_the_next(tmp_path: Path, text: Path, left: Path) -> None:
    prepare([text], tmp_path / "o.h5")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "o.h5", text]


def test_an_import_sweeps_it_as_well(tmp_path: Path, text: Path, left: Path) -> None:
    prepare([text], tmp_path / "other.h5")
    assert left.exists()
    import_corpus(tmp_path / "other.h5", tmp_path / "o.h5")
    assert not left.exists()


def test_files_of_other_names_and_kinds_stay(tmp_path: Path, text: Path) -> None:
    others = [
        ".o.h5.1234567.tmp",
        ".o.h5.123456789.tmp",
        ".oxh5.12345678.tmp",
        ".p.h5.12345678.tmp",
        "o.h5.12345678.tmp",
    ]
    paths = [tmp_path / name for name in others]
    for path in paths:
        path.write_text("mine")
    folder, link, pipe = (tmp_path / f".o.h5.0000000{i}.tmp" for i in range(3))
    folder.mkdir()
    link.symlink_to(text)
    os.mkfifo(pipe)
    sweep_beside(tmp_path / "o.h5")
    assert sorted(tmp_path.iterdir()) == sorted([*paths, folder, link, pipe, text])


def test_a_file_that_is_being_written_stays_until_it_has_its_name(tmp_path: Path, text: Path) -> None:
    target, seen = tmp_path / "o.h5", list[tuple[str, int]]()

    def sweep(phase: str, done: int, whole: int) -> None:
        sweep_beside(target)
        seen.append((phase, len(list(tmp_path.glob(".o.h5.*.tmp")))))

    prepare([text], target, progress=sweep)
    assert ("verifying", 1) in seen
    with Corpus.open(target) as corpus:
        corpus.verify()
    assert sorted(tmp_path.iterdir()) == [target, text]


@pytest.mark.parametrize("times", [1, 100])
def test_a_new_file_that_is_swept_at_once_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Another process may sweep it between its creation and its lock."""
    lock: Callable[[int], bool] = temporary._lock
    swept = 0

    def late(descriptor: int) -> bool:
        nonlocal swept
        if swept < times:
            swept += 1
            sweep_beside(tmp_path / "o.h5")
        return lock(descriptor)

    monkeypatch.setattr(temporary, "_lock", late)
    if times == 100:
        with pytest.raises(OSError, match="cannot find a name"):
            create_beside(tmp_path / "o.h5")
        return
    path, descriptor = create_beside(tmp_path / "o.h5")
    assert list(tmp_path.iterdir()) == [path]
    os.close(descriptor)
    sweep_beside(tmp_path / "o.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_that_is_about_to_be_swept_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, answers = temporary._lock, iter([False, True])
    monkeypatch.setattr(temporary, "_lock", lambda descriptor: next(answers) and lock(descriptor))
    path, descriptor = create_beside(tmp_path / "o.h5")
    assert path.exists()
    os.close(descriptor)
    assert len(list(tmp_path.iterdir())) == 2  # the other one goes with who has locked it
