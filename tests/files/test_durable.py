"""write_durably: the old file or the new one, nothing beside them."""

import errno
import os
from pathlib import Path

import pytest

from gpurnn.exceptions import RunError
from gpurnn.files import durable as module
from gpurnn.files.durable import make_folder, write_durably, write_fully
from gpurnn.files.errors import reported_as
from gpurnn.files.temporary import temporary_target

STEPS = ("open", "write", "fsync", "close")


def test_writes_all_chunks_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_durably(tmp_path / "file", [b"one", bytearray(b""), memoryview(b"two")])
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_goes_on_after_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_durably(tmp_path / "file", [b"0123456789"])
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_write_of_nothing_is_an_error_and_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: 0)
    with pytest.raises(OSError, match="wrote nothing"):
        write_fully(1, b"x")


@pytest.mark.parametrize("step", STEPS)
def test_a_failing_step_keeps_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"old")
    calls = []

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        raise OSError(errno.EIO, "injected")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="injected"):
        write_durably(tmp_path / "file", [b"new"])
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert step != "fsync" or len(calls) == 1  # never tried again


def test_an_interrupt_between_chunks_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def chunks():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_durably(tmp_path / "file", chunks())
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_folder_is_synced_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, names = os.fsync, []

    def record(descriptor: int) -> None:
        names.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "file").exists()))
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to name open files")
    monkeypatch.setattr(os, "fsync", record)
    write_durably(tmp_path / "file", [b"new"])
    (first, existed_before), (second, existed_after) = names
    assert temporary_target(Path(first).name) == "file"
    assert (existed_before, existed_after) == (False, True)
    assert second == str(tmp_path)


def test_every_folder_that_is_made_is_synced_into_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(module, "sync_folder", lambda folder: synced.append((folder, len(list(folder.iterdir())))))
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [(tmp_path, 1), (tmp_path / "a", 1), (tmp_path / "a" / "b", 1)]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 3


def test_a_folder_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            make_folder(path)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (".a.safetensors.0123456789abcdef.tmp", "a.safetensors"),
        (".a.0123456789abcdeg.tmp", None),
        ("a.0123456789abcdef.tmp", None),
        (".a.0123456789abcdef.tmp~", None),
        (".tmp", None),
    ],
)
def test_temporary_names(name: str, target: str | None) -> None:
    assert temporary_target(name) == target


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "device failed"),
        (errno.EFBIG, "ulimit"),
    ],
)
def test_an_error_says_what_to_do_in_one_line(number: int, advice: str) -> None:
    with pytest.raises(RunError) as caught, reported_as(RunError, "cannot write x"):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert message.startswith(f"cannot write x: {os.strerror(number)}")
    assert advice in message
    assert "\n" not in message
