"""An input that changes while it is read ends in one line, and leaves nothing behind; what may change is read."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gpurnn.cli.main import main
from gpurnn.data.prepare import prepare
from gpurnn.data.text import inputs
from gpurnn.data.text.inputs import Source, read_blocks
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError
from gpurnn.generation.prompt import read_prompt

SHORT = b"To be, or not to be.\n" * 5
LONG = SHORT * 5000  # more than is looked at before anything is read
LONG_AGO = (1_700_000_000, 1_700_000_000)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def write_over(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"Not")


def replace(path: Path) -> None:
    other = path.with_name(".other")
    other.write_bytes(path.read_bytes())
    os.utime(other, LONG_AGO)
    other.replace(path)


def write_anew(path: Path) -> None:
    path.write_bytes(b"another text " * 60_000)


CHANGES: dict[Callable[[Path], object], str] = {
    append: "lengthened from {} to {} bytes",
    shorten: "shortened from {} to {} bytes",
    empty: "shortened from {} to {} bytes",
    write_over: "written to",
    replace: "replaced",
    write_anew: "lengthened from {} to {} bytes",
    Path.unlink: "removed",
}


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "BLOCK", 10_000)


def write(name: str, data: bytes) -> Path:
    path = Path(name)
    path.write_bytes(data)
    os.utime(path, LONG_AGO)  # so that every change is seen in the time, however coarse it is
    return path


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("place", ["train", "valid", "test", "folder"])
@pytest.mark.parametrize("data", [SHORT, LONG, gzip.compress(LONG, mtime=0)], ids=["short", "long", "gzip"])
@pytest.mark.parametrize("tokens", ["chars", "bytes"])
def test_a_text_that_changes_while_it_is_read(change: Callable[[Path], object], place: str, data: bytes, tokens: str):
    Path("folder").mkdir()
    good, changing = write("good.txt", SHORT), write("folder/x.txt", data)
    given = {"train": {}, "valid": {"valid": [changing]}, "test": {"valid": [good], "test": [changing]}, "folder": {}}
    first = {"train": [good, changing], "folder": [Path("folder")]}.get(place, [good])
    earlier = 0 if place == "folder" else (1 if place == "train" else len(given[place])) * len(SHORT)
    whole = earlier + len(data)
    done: list[int] = []

    def progress(phase: str, count: int, total: int) -> None:
        if phase == "reading" and count > earlier and not done:
            done.append(count)
            change(changing)

    with pytest.raises(DataError) as caught:
        prepare(first, "o.h5", progress=progress, tokens=tokens, **given[place])
    assert done and done[0] <= whole
    said = str(caught.value)
    now = changing.stat().st_size if changing.exists() else 0
    expected = CHANGES[change].format(len(data), now)
    assert said == f"folder/x.txt: it was {expected} while it was read; give a copy that nothing changes"
    assert {path.name for path in Path().rglob("*")} - {"x.txt"} == {"folder", "good.txt"}


def test_a_change_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch):
    path = write("x.txt", LONG)
    refuse = inputs._refuse_change

    def late(*arguments: object) -> None:
        append(path)
        refuse(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(inputs, "_refuse_change", late)
    done = CliRunner().invoke(main, ["prepare", "x.txt", "-o", "o.h5"])
    size = len(LONG)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"gpurnn: x.txt: it was lengthened from {size} to {size + 4} bytes while it was read; "
        "give a copy that nothing changes\n"
    )
    assert [entry.name for entry in Path().iterdir()] == ["x.txt"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_prompt_that_changes_while_it_is_read(change: Callable[[Path], object]):
    path = write("x.txt", LONG)
    vocabulary = Vocabulary("chars", sorted(set(LONG.decode())))
    language = Language(vocabulary, TextPolicy(), np.array([0]), np.array([1]))
    pieces = iter(read_prompt(language, path, None))
    assert len(next(pieces)) > 0
    change(path)
    with pytest.raises(DataError, match=r"^x\.txt: it was .* while it was read; "):
        for _ in pieces:
            pass


def test_what_changed_before_or_after_does_not_matter():
    a, b = write("a.txt", LONG), write("b.txt", SHORT)
    append(a)

    def progress(phase: str, count: int, total: int) -> None:
        if phase == "writing":
            append(a)

    assert sum(s.tokens for s in prepare([a, b], "o.h5", progress=progress).splits.values()) == len(LONG + SHORT) + 4


def test_a_pipe_may_grow():
    os.mkfifo("pipe")

    def feed() -> None:
        with Path("pipe").open("wb") as file:
            for _ in range(30):
                file.write(LONG[:5000])
                file.flush()

    thread = threading.Thread(target=feed)
    thread.start()
    report = prepare(["pipe"], "o.h5")
    thread.join()
    assert sum(size.tokens for size in report.splits.values()) == 150_000


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="there is no /proc")
def test_a_file_that_says_it_has_no_bytes_is_read():
    path = Path("/proc/version")
    assert path.stat().st_size == 0
    assert b"".join(read_blocks(Source(path, True), None, lambda count: None)) == path.read_bytes()
