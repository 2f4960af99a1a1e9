"""The log: whole lines only, cut back exactly, errors reported and repaired."""

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpurnn.exceptions import RunError
from gpurnn.runs.log import MAX_LINE_BYTES, RunLog, read_log

PIECES = [b'{"window":2}\n', b'{"window":9}\n', b"\0\n", b"{}\n"]


def windows(path: Path) -> list[object]:
    return [entry["window"] for entry in read_log(path)]


def filled(path: Path, count: int = 5) -> bytes:
    with RunLog(path) as log:
        for window in range(1, count + 1):
            log.append({"window": window, "loss": 1 / window})
    return path.read_bytes()


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    filled(tmp_path / "log", 3)
    assert list(read_log(tmp_path / "log")) == [
        {"window": 1, "loss": 1.0},
        {"window": 2, "loss": 0.5},
        {"window": 3, "loss": 1 / 3},
    ]


@pytest.mark.parametrize("keep", range(7))
def test_truncate_keeps_the_first_lines_byte_for_byte(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    before = filled(path)
    with RunLog(path) as log:
        assert log.truncate_to(keep) == 0
        assert path.read_bytes() == b"".join(before.splitlines(keepends=True)[:keep])
        log.append({"window": 99})
        log.sync()
    assert windows(path) == [*range(1, min(keep, 5) + 1), 99]
    assert [entry.name for entry in tmp_path.iterdir()] == ["log"]


def test_every_torn_last_line_is_read_over_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = filled(path, 3)
    start = len(b"".join(whole.splitlines(keepends=True)[:2]))
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        assert windows(path) == [1, 2]
        with RunLog(path) as log:
            assert path.read_bytes() == whole[:start]
            log.append({"window": 3, "loss": 1 / 3})
        assert path.read_bytes() == whole


def test_a_torn_line_longer_than_a_line_may_be(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = filled(path, 2)
    path.write_bytes(whole + b"x" * (3 * MAX_LINE_BYTES))
    with RunLog(path):
        assert path.read_bytes() == whole


def test_unreadable_lines_are_left_out_when_read_and_when_cut_and_both_say_how_many(tmp_path: Path) -> None:
    path, told = tmp_path / "log", list[str]()
    path.write_bytes(b'{"window":1}\nnot json\n\0\0\0\n{"window":2}\n{"loss":1}\n{"window":"3"}\n{"window":9}\n{"win')
    assert [entry["window"] for entry in read_log(path, told.append)] == [1, 2, 9]
    assert told == [f"{path}: damaged lines were left out: 4"]
    with RunLog(path) as log:
        assert log.truncate_to(2) == 4
    assert path.read_bytes() == b'{"window":1}\n{"window":2}\n'


@pytest.mark.parametrize("entry", [{"window": float("nan")}, {"a": (1,)}, {1: 2}, {"a": b""}])
def test_refuses_what_is_not_plain_json(entry: dict[object, object], tmp_path: Path) -> None:
    with RunLog(tmp_path / "log") as log:
        with pytest.raises(RunError, match="plain JSON"):
            log.append(entry)  # type: ignore[arg-type]
        with pytest.raises(RunError, match="allowed"):
            log.append({"window": 1, "text": "x" * MAX_LINE_BYTES})
    assert (tmp_path / "log").read_bytes() == b""


def test_a_short_write_is_completed_by_a_second_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with RunLog(tmp_path / "log") as log:
        sizes = iter([3, 10**6])
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: next(sizes)]))
        log.append({"window": 1})
        monkeypatch.undo()
    assert (tmp_path / "log").read_bytes() == b'{"window":1}\n'


@pytest.mark.parametrize("taken", [0, 1, 5])
@pytest.mark.parametrize("cut_fails", [False, True])
def test_a_failed_append_leaves_no_part_of_a_line(
    taken: int, cut_fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, sizes = os.write, iter([taken])

    def fail(descriptor: int, data: bytes) -> int:
        size = next(sizes, 0)
        if size == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:size])

    def no_cut(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RunLog(tmp_path / "log") as log:
        log.append({"window": 1})
        monkeypatch.setattr(os, "write", fail)
        if cut_fails:
            monkeypatch.setattr(os, "ftruncate", no_cut)
        with pytest.raises(RunError, match="No space left on device; free some space"):
            log.append({"window": 2})
        monkeypatch.undo()
        assert windows(tmp_path / "log") == [1]
        log.append({"window": 3})
    assert (tmp_path / "log").read_bytes() == b'{"window":1}\n{"window":3}\n'


def test_a_failed_sync_is_not_tried_again_on_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with RunLog(path) as log:
        log.append({"window": 1})
        before = path.stat().st_ino
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(RunError, match="cannot sync log"):
            log.sync()
        monkeypatch.undo()
        log.append({"window": 2})
        log.sync()
        assert path.stat().st_ino != before
        log.append({"window": 3})
        after = path.stat().st_ino
        log.sync()
        assert path.stat().st_ino == after
    assert windows(path) == [1, 2, 3]


def test_a_full_disk_in_fact(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel take a part of a line and refuse the rest, as a full disk does."""
    script = (
        "import sys, resource; from pathlib import Path\n"
        "from gpurnn.exceptions import RunError; from gpurnn.runs.log import RunLog\n"
        "log = RunLog(Path(sys.argv[1])); refused = 0\n"
        "for window in range(50):\n"
        "    try: log.append({'window': window})\n"
        "    except RunError as exc: refused += 1; assert 'ulimit' in str(exc), exc\n"
        "print(refused)\n"
    )
    limited = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert int(limited.stdout) == 43
    assert windows(tmp_path / "log") == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["loop", "fifo", "folder", "missing folder"])
def test_opens_nothing_but_a_regular_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    if kind == "loop":
        path.symlink_to("log")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = tmp_path / "missing" / "log"
    with pytest.raises(RunError, match="log"):
        RunLog(path)


def test_through_a_link_the_log_is_its_target(tmp_path: Path) -> None:
    """Also when it is replaced: the link stays."""
    path, target = tmp_path / "log", tmp_path / "elsewhere" / "lines"
    target.parent.mkdir()
    path.symlink_to(target)
    filled(path)
    with RunLog(path) as log:
        log.truncate_to(2)
        log.append({"window": 3})
    assert windows(path) == windows(target) == [1, 2, 3]
    assert path.is_symlink()
    assert [entry.name for entry in target.parent.iterdir()] == ["lines"]


def test_reading_a_missing_log(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        windows(tmp_path / "log")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=20) | st.sampled_from(PIECES)).map(b"".join),
    st.integers(0, 5),
)
def test_any_bytes_are_refused_or_cut_to_whole_entries(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, window: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(b'{"window":1}\n' + data)
    told = list[str]()
    read = [entry for entry in read_log(path, told.append) if entry["window"] <= window]
    with RunLog(path) as log:
        dropped = log.truncate_to(window)
    assert told == ([f"{path}: damaged lines were left out: {dropped:,}"] if dropped else [])
    assert list(read_log(path, told.append)) == read
    *lines, rest = path.read_bytes().split(b"\n")
    assert all(json.loads(line)["window"] <= window for line in lines)
    assert rest == b""
    assert window == 0 or windows(path)[0] == 1
