"""Run directories: one writer, two generations and the best, nothing lost between two steps."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.exceptions import CheckpointError, RunError
from gpurnn.runs import checkpoint as checkpoint_module
from gpurnn.runs.checkpoint import NewerFormatError
from gpurnn.runs.directory import RunDirectory

CHILD = """
import sys
from pathlib import Path
import numpy as np
from gpurnn.exceptions import GpurnnError
from gpurnn.runs.directory import RunDirectory
run = RunDirectory.open(Path(sys.argv[1]))
"""


def tensors(window: int) -> dict[str, np.ndarray]:
    return {"x": np.full(1000, window, np.float32)}


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, warnings: list[str]) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs" / "a", {"hidden": 128}, warnings.append)


def save(run: RunDirectory, *windows: int, best: int = 0) -> None:
    with run.lock():
        for window in windows:
            run.save(window, tensors(window), {"window": window}, best=window == best)


def saved(run: RunDirectory) -> list[int]:
    return [int(path.stem.removeprefix("window-")) for path in run.generations()]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def child(script: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_what_create_makes(run: RunDirectory) -> None:
    assert {entry.name for entry in run.path.iterdir()} == {"config.json", "checkpoints", "lock"}
    assert RunDirectory.open(run.path).read_config() == {"hidden": 128}


def test_create_takes_an_empty_folder_and_what_a_killed_create_left(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "lock").touch()
    (tmp_path / ".config.json.0123456789abcdef.tmp").touch()
    RunDirectory.create(tmp_path, {})
    assert {entry.name for entry in tmp_path.iterdir()} == {"config.json", "checkpoints", "lock"}


def test_create_refuses_a_run_and_leaves_it_alone(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="already holds a run: resume it"):
        RunDirectory.create(run.path, {})
    assert run.read_config() == {"hidden": 128}


@pytest.mark.parametrize("name", ["notes.txt", "checkpoints/window-0000000001.safetensors", "a\nb"])
def test_create_refuses_a_folder_in_use_and_adds_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunError, match="is not empty") as caught:
        RunDirectory.create(tmp_path, {})
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_create_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot create run directory"):
        RunDirectory.create(tmp_path / "file", {})
    with pytest.raises(RunError, match="cannot create run directory"):
        RunDirectory.create(tmp_path / "file" / "a", {})


def test_open_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run directory at"):
        RunDirectory.open(tmp_path / "missing")
    with pytest.raises(RunError, match="it has no config"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a":NaN}', b"\xff", b'{"a":1,"a":2}', b" " * (1 << 21)])
def test_a_damaged_config_is_named(run: RunDirectory, text: bytes) -> None:
    (run.path / "config.json").write_bytes(text)
    with pytest.raises(RunError, match="is damaged"):
        run.read_config()


def test_writing_needs_the_lock(run: RunDirectory) -> None:
    for write in (lambda: run.save(1, {}, {}), lambda: run.rewind(1), lambda: run.write_config({})):
        with pytest.raises(RunError, match="needs its lock"):
            write()


def test_two_generations_and_the_best_are_kept(run: RunDirectory, warnings: list[str]) -> None:
    save(run, 1, 2, 30, 4_000_000_000, 50_000_000_000, best=2)
    assert saved(run) == [50_000_000_000, 4_000_000_000]
    assert run.load("best").header == {"window": 2}
    last = run.load("last")
    assert last.header == {"window": 50_000_000_000}
    np.testing.assert_array_equal(last.tensors["x"], tensors(50_000_000_000)["x"], strict=True)
    assert warnings == []


def test_best_is_last_where_there_is_none(run: RunDirectory, warnings: list[str]) -> None:
    save(run, 1, 2)
    assert run.load("best").header == {"window": 2}
    assert warnings == []


def test_damaged_ones_are_passed_over_and_named(run: RunDirectory, warnings: list[str]) -> None:
    save(run, 1, 2, best=2)
    damage(run.best)
    assert run.load("best").path == run.generations()[0]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{run.best} is not an intact checkpoint")
    del warnings[:]
    newest, older = run.generations()
    damage(newest)
    assert run.load("last").header == {"window": 1}
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{newest} is not an intact checkpoint")
    assert warnings[0].endswith(f"; using {older} instead")
    damage(older)
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        run.load("best")


def test_the_best_one_is_the_last_resort(run: RunDirectory, warnings: list[str]) -> None:
    save(run, 1, 2, 3, best=1)
    for path in run.generations():
        damage(path)
    assert run.load("last").header == {"window": 1}
    assert len(warnings) == 2


def test_a_newer_format_is_not_passed_over(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 1)
    monkeypatch.setattr(checkpoint_module, "VERSION", checkpoint_module.VERSION + 1)
    save(run, 2)
    monkeypatch.undo()
    with pytest.raises(NewerFormatError, match="use a newer gpurnn"):
        run.load("last")


def test_no_checkpoint_at_all(run: RunDirectory) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        run.load("last")
    with pytest.raises(ValueError, match="'newest'"):
        run.load("newest")


def test_a_copy_without_the_folder_of_the_generations(run: RunDirectory, warnings: list[str]) -> None:
    save(run, 1, best=1)
    shutil.rmtree(run.checkpoints)
    for which in ("last", "best"):
        assert run.load(which).path == run.best
    run.best.rename(run.path / "elsewhere")
    assert not run.begun
    save(run, 2)
    assert [path.name for path in run.generations()] == ["window-0000000002.safetensors"]
    assert warnings == []
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match=r"cannot open .*lock"):
        save(run, 3)  # a run that is gone is not begun anew
    assert not run.path.exists()


def test_what_cannot_be_removed_is_named(run: RunDirectory) -> None:
    in_the_way = run.checkpoints / "window-0000000009.safetensors"
    in_the_way.mkdir()
    with run.lock(), pytest.raises(RunError, match=rf"cannot remove {in_the_way}, a checkpoint after window 1: "):
        run.rewind(1)


def test_a_reader_between_two_saves_looks_again(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 1, 2)
    stale = run.generations()
    save(run, 3, 4)
    listings = iter([stale])
    listing = RunDirectory.generations
    monkeypatch.setattr(RunDirectory, "generations", lambda self: next(listings, None) or listing(self))
    assert run.load("last").header == {"window": 4}


def test_rewind_takes_away_what_came_after(run: RunDirectory) -> None:
    save(run, 1, 2)
    with run.lock():
        run.rewind(2)
        assert saved(run) == [2, 1]
        run.rewind(1)
    assert saved(run) == [1]


def test_a_save_supersedes_the_generations_of_another_past(run: RunDirectory) -> None:
    save(run, 10, 20)
    save(run, 15)
    assert saved(run) == [15, 10]
    assert run.load("last").header == {"window": 15}


def test_other_files_are_left_alone(run: RunDirectory) -> None:
    names = ["window-1.safetensors", "window-0000000001.safetensors.bak", ".x.0123456789abcdef.tmp", "notes"]
    for name in names:
        (run.checkpoints / name).touch()
    save(run, 1, 2, 3)
    assert saved(run) == [3, 2]
    assert {entry.name for entry in run.checkpoints.iterdir()} > set(names)


def test_the_lock_sweeps_our_temporary_files(run: RunDirectory) -> None:
    for name in ("checkpoints/.window-0000000007.safetensors", ".best.safetensors", ".log.jsonl", ".config.json"):
        (run.path / f"{name}.0123456789abcdef.tmp").touch()
    with run.lock():
        left = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    assert left == {"config.json", "checkpoints", "lock"}


def test_an_old_generation_that_cannot_be_removed_is_reported(
    run: RunDirectory, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 1, 2)

    def fail(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "unlink", fail)
    save(run, 3)
    assert len(warnings) == 1
    assert "cannot remove" in warnings[0]
    assert saved(run) == [3, 2, 1]


def test_a_second_process_is_told_who_writes(run: RunDirectory) -> None:
    script = "with run.lock():\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    with child(script, run.path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"is being written by process {holder.pid} on "), run.lock():
            raise AssertionError
        run.generations()  # reading needs no lock
        holder.kill()
    with run.lock():
        pass


def test_the_same_process_cannot_lock_twice(run: RunDirectory) -> None:
    with run.lock(), pytest.raises(RunError, match=f"process {os.getpid()} "), RunDirectory(run.path).lock():
        raise AssertionError
    with run.lock():
        run.save(1, {}, {})


def test_racing_processes_give_one_writer_and_one_clear_line(run: RunDirectory) -> None:
    script = (
        "print('ready', flush=True)\n"
        "for _ in range(20):\n"
        "    sys.stdin.readline()\n"
        "    try:\n"
        "        with run.lock():\n"
        "            print('won', flush=True)\n"
        "            sys.stdin.readline()\n"
        "    except GpurnnError as exc:\n"
        "        print(exc, flush=True)\n"
        "        sys.stdin.readline()\n"
        "    print('done', flush=True)\n"
    )

    def tell(text: str = "\n") -> None:
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(text)
            racer.stdin.flush()

    def hear() -> list[str]:
        return [racer.stdout.readline() for racer in racers if racer.stdout is not None]

    racers = [child(script, run.path) for _ in range(2)]
    try:
        assert hear() == ["ready\n"] * 2
        for _ in range(20):
            tell()
            answers = hear()
            assert answers.count("won\n") == 1
            winner = racers[answers.index("won\n")]
            loser = answers[1 - answers.index("won\n")]
            assert f"is being written by process {winner.pid} on " in loser
            tell()
            assert hear() == ["done\n"] * 2
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def test_of_two_processes_that_create_a_run_one_does(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from gpurnn.exceptions import RunError\nfrom gpurnn.runs.directory import RunDirectory\n"
        "print('ready', flush=True)\n"
        "for number in range(20):\n"
        "    sys.stdin.readline()\n"
        "    try:\n"
        "        RunDirectory.create(Path(sys.argv[1], str(number)), {'by': sys.argv[2]})\n"
        "        print('made', flush=True)\n"
        "    except RunError as exc:\n"
        "        print(exc, flush=True)\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for name in ("a", "b")
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            racer.stdout.readline()
        for number in range(20):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("\n")
            answers = [racer.stdout.readline() for racer in racers if racer.stdout is not None]
            assert answers.count("made\n") == 1
            by = RunDirectory.open(tmp_path / str(number)).read_config()["by"]
            assert by == "ab"[answers.index("made\n")]
            loser = answers[1 - answers.index("made\n")]
            assert "already holds a run" in loser or "is being written by process" in loser
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_lock_that_is_no_regular_file(kind: str, run: RunDirectory, tmp_path: Path) -> None:
    (run.path / "lock").unlink()
    (tmp_path / "other").write_bytes(b"untouched")
    if kind == "link":
        (run.path / "lock").symlink_to(tmp_path / "other")
    elif kind == "fifo":
        os.mkfifo(run.path / "lock")
    else:
        (run.path / "lock").mkdir()
    with pytest.raises(RunError, match="lock"), run.lock():
        raise AssertionError
    assert (tmp_path / "other").read_bytes() == b"untouched"


@pytest.mark.parametrize("limit", [0, 1, 100, 300, 4000, 4300])
def test_a_full_disk_keeps_the_old_checkpoints(limit: int, run: RunDirectory) -> None:
    """RLIMIT_FSIZE lets the kernel take a part of the file and then refuse, as a full disk does."""
    save(run, 1, 2, best=1)
    script = (
        "with run.lock():\n"
        "    try:\n"
        "        run.save(3, {'x': np.ones(1000, 'f4')}, {'window': 3}, best=True)\n"
        "    except GpurnnError as exc:\n"
        "        print(exc)\n"
    )
    if limit < 100:  # not even the lock's line can be written
        script = f"try:\n    {script.replace(chr(10), chr(10) + '    ')}\nexcept GpurnnError as exc:\n    print(exc)"
    with child(
        script,
        run.path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    ) as process:
        told = process.communicate()[0]
    assert process.returncode == 0
    if limit < 4200:
        assert "File too large" in told
        assert saved(run) == [2, 1]
        assert run.load("best").header == {"window": 1}
        assert not list(run.path.rglob("*.tmp"))
    else:
        assert told == ""
        assert saved(run) == [3, 2]
        assert run.load("best").header == {"window": 3}


def test_a_folder_without_permission(run: RunDirectory) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    save(run, 1)
    run.checkpoints.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match="permissions"):
            save(run, 2)
    finally:
        run.checkpoints.chmod(0o700)
    assert run.load("last").header == {"window": 1}


def test_kill_between_any_two_steps_leaves_a_readable_run(run: RunDirectory) -> None:
    """A child saves without end; whenever it is killed, the newest checkpoint is whole and at most one save old."""
    script = (
        "with run.lock():\n"
        "    window = run.load('last').header['window']\n"
        "    while True:\n"
        "        window += 1\n"
        "        run.save(window, {'x': np.full(1000, window, 'f4')}, {'window': window}, best=True)\n"
        "        print(window, flush=True)\n"
    )
    save(run, 0)
    for count in range(1, 8):
        with child(script, run.path) as process:
            assert process.stdout is not None
            for _ in range(count):
                completed = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().splitlines()
        completed = int(rest[-1]) if rest and rest[-1] else completed
        last = run.load("last")
        assert last.header["window"] in (completed, completed + 1)
        assert last.tensors["x"][0] == last.header["window"]
        assert run.load("best").header["window"] in (completed, completed + 1)
