"""Where outputs may go, whatever stands there, and what their errors name."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import FOLDERS, FREE, SPECIAL, files, picture

from gpurnn.exceptions import RunError, UsageError
from gpurnn.files import durable
from gpurnn.files.durable import NewFile, write_durably
from gpurnn.files.errors import explain, reported_as
from gpurnn.files.output import find_folder, find_output, open_regular

KINDS = {**files(b"old"), **FREE, **FOLDERS, **SPECIAL}
pytestmark = pytest.mark.timeout(30)  # nothing here waits for the other end of a FIFO


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_replaced(kind: str, tmp_path: Path) -> None:
    name = tmp_path / "out"
    KINDS[kind](name)
    before = picture(tmp_path)
    if kind in FOLDERS or kind in SPECIAL:
        with pytest.raises(OSError) as caught:
            write_durably(name, [b"new"])
        assert caught.value.filename == str(name)
        assert picture(tmp_path) == before
        return
    write_durably(name, [b"new"])
    assert name.read_bytes() == b"new"
    after = picture(tmp_path)
    target = str(name.resolve().relative_to(tmp_path))
    assert {path: what for path, what in after.items() if path != target} == {
        path: what for path, what in before.items() if path != target
    }
    assert name.resolve().name == ("out" if kind in ("file", "nothing") else "target")


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_right_to_replace_only_a_free_name_will_do(kind: str, tmp_path: Path) -> None:
    name = tmp_path / "out"
    KINDS[kind](name)
    before = picture(tmp_path)
    if kind in FREE:
        assert find_output(name, replace=False) == name.resolve()
    else:
        with pytest.raises(OSError):
            find_output(name, replace=False)
    assert picture(tmp_path) == before


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_folder_may_be(kind: str, tmp_path: Path) -> None:
    name = tmp_path / "out"
    KINDS[kind](name)
    if kind in FREE or kind in FOLDERS:
        assert find_folder(name) == name.resolve()
    else:
        with pytest.raises(OSError):
            find_folder(name)


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened(kind: str, tmp_path: Path) -> None:
    name = tmp_path / "in"
    KINDS[kind](name)
    if "file" in kind or "link to a link" in kind:
        os.close(open_regular(name, os.O_RDONLY))
    else:
        with pytest.raises(OSError):
            open_regular(name, os.O_RDONLY)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("folder", "it is a folder, and only a regular file can be replaced; give another name"),
        ("link to a folder", "a link to {folder}: it is a folder, and only"),
        ("FIFO", "it is a FIFO, and only"),
        ("socket", "it is a socket, and only"),
        ("full device", "it is a device, and only"),
        ("link to itself", "Too many levels of symbolic links; "),
    ],
)
def test_the_reason_says_what_is_there_and_what_to_do(kind: str, told: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "out")
    with pytest.raises(RunError) as caught, reported_as(RunError, "cannot write it"):
        write_durably(tmp_path / "out", [])
    assert str(caught.value).startswith("cannot write it: " + told.format(folder=tmp_path / "folder"))


@pytest.mark.parametrize("find", [find_output, find_folder])
def test_standard_output_is_no_output(find: Callable[[Path], Path]) -> None:
    with pytest.raises(UsageError, match=r"^-: an output goes to a file, not to standard output"):
        find(Path("-"))


@pytest.mark.parametrize(
    ("name", "told"), [("no/x", "there is no folder no;"), ("link", "link to .*/no/x: there is no folder")]
)
def test_a_missing_folder_is_named(name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("no/x")
    with pytest.raises(OSError, match=told):
        find_output(Path(name))


@pytest.mark.parametrize("name", ["new", "old", "link"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_made(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to("sealed/old")
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("root may write everywhere")
        with pytest.raises(PermissionError) as caught:
            find_output(tmp_path / name if name == "link" else folder / name)
    finally:
        folder.chmod(0o700)
    assert explain(caught.value) == "Permission denied; check the permissions of the folder and of the file"


@pytest.mark.parametrize(("flag", "told"), [(0, "check the permissions"), (os.ST_RDONLY, "use another folder")])
def test_why_a_folder_cannot_be_written(flag: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda folder: type("", (), {"f_flag": flag}))
    with pytest.raises(OSError) as caught:
        find_output(tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out") and told in explain(caught.value)


def test_an_open_file_whose_name_is_gone_is_not_found_again(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    with open(tmp_path / "gone", "wb") as file:
        (tmp_path / "gone").unlink()
        (tmp_path / "out").symlink_to(f"/proc/self/fd/{file.fileno()}")
        with pytest.raises(OSError, match="without a name"):
            write_durably(tmp_path / "out", [b"new"])


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "a b'\"\n"])
def test_every_name_that_a_file_may_have_will_do(name: str, tmp_path: Path) -> None:
    write_durably(tmp_path / name, [b"new"])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("change", ["FIFO", "character device", "folder", "file", "link"])
def test_what_comes_in_the_way_while_it_is_written_stays(change: str, tmp_path: Path) -> None:
    """With `file` the one who writes had no right to replace any; `link` leads elsewhere than before."""
    name, other = tmp_path / "out", tmp_path / "other"
    other.write_bytes(b"untouched")
    with NewFile(name, replace=change != "file") as file:
        os.write(file.descriptor, b"new")
        os.close(file.descriptor)
        if change == "link":
            name.symlink_to("other")
        else:
            KINDS[change](name)
        made = name.lstat()
        with pytest.raises(OSError) as caught:
            file.publish()
        assert caught.value.filename == str(name)
    assert os.path.samestat(name.lstat(), made)
    assert other.read_bytes() == b"untouched"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "out"]


@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename", "sync"])
def test_errors_name_the_output_and_no_temporary_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, "injected", *(str(each) for each in arguments[:1]))

    if step == "rename":
        monkeypatch.setattr(Path, "rename", fail)
    elif step == "sync":
        monkeypatch.setattr(durable, "sync_folder", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="injected") as caught:
        write_durably(tmp_path / "out", [b"new"])
    monkeypatch.undo()
    assert caught.value.filename == str(tmp_path / "out")
    assert caught.value.filename2 is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk" / "folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/folder/x")
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    told = explain(OSError(number, "too much", str(tmp_path / "link")))
    assert f" on the file system at {tmp_path / 'disk'}" in told
    assert " on that disk" in explain(OSError(number, "too much"))


def test_a_fifo_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening."""
    path, opened = tmp_path / "in", os.open
    path.write_bytes(b"x")

    def late(name: Path, *arguments: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(name, *arguments)

    monkeypatch.setattr(os, "open", late)
    done: list[str] = []

    def read() -> None:
        try:
            open_regular(path, os.O_RDONLY)
        except OSError as error:
            done.append(str(error.strerror))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert done == ["it is a FIFO, expected a file"]
