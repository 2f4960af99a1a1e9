"""What the README shows is so: its Python runs from the first line to the last, and so do the commands of its session.

Both on a small text, in a folder of their own, and for a few windows where the README trains for minutes.
"""

from __future__ import annotations

import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import gpurnn
from gpurnn.api.table import table_of_parts
from gpurnn.cli.main import main
from gpurnn.network import ModelConfig
from gpurnn.network.chain import parts_of
from gpurnn.network.heads import HEADS

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
WINDOWS = (20, 60)
"""Of the first training, and of the one that goes on with it, so that it has lines of the log."""


def blocks() -> list[tuple[int, str]]:
    """The Python of the README: in which line each block begins, and its code."""
    found = re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [(TEXT.count("\n", 0, block.start()) + 1, block[1]) for block in found]


def session(title: str = "A first session") -> list[tuple[str, list[str]]]:
    """The commands of a section, and the lines that are shown below each."""
    (section,) = re.findall(rf"^## {title}\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    shown = [line[4:] for line in section.splitlines() if line.startswith("    ") or not line]
    commands: list[tuple[str, list[str]]] = []
    for line in shown:
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif commands:
            commands[-1][1].append(line)
    return commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the texts that the README names."""
    rng = random.Random(1)
    words = ["It", "was", "ROMEO:", "tide", "stone", "a", "note", "does,", "it\n"]
    for name in ("book.txt", "tinyshakespeare.txt"):
        (tmp_path / name).write_text(" ".join(rng.choices(words, k=12_000)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_runs(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(HEADS, "half-squared", None)  # what it adds goes again
    gpurnn.prepare("tinyshakespeare.txt", "shakespeare.h5", split=(0.9, 0.1, 0))
    windows = iter(WINDOWS)
    names: dict[str, Any] = {}
    printed = []
    assert len(blocks()) == 8
    for line, code in blocks():
        shorter = re.sub(r"\bminutes=3\b", lambda found: f"windows={next(windows)}", code)
        exec(compile("\n" * line + shorter, README, "exec"), names)
        printed.append(capsys.readouterr().out)
    assert next(windows, None) is None
    of_run, after, arrays, shim, stream, training, through, parts = printed
    assert of_run.splitlines()[0] == str(gpurnn.evaluate("book.safetensors", "book.h5").bits_per_char)
    assert re.search(r"^layers.0 +gru", of_run, re.MULTILINE)
    assert re.fullmatch(r"(\d\.\d+\n)+60 windows are done 60 runs/book/checkpoints/window-0000000060\S+\n", after)
    assert names["y"].shape == (6, 1, len(gpurnn.load("runs/book").language.vocabulary))
    error, spread = map(float, arrays.split(" of "))
    assert error < 0.1 * spread
    assert "because" in shim and "[[3. 3.]\n [3. 3.]]" in shim
    assert stream == ""
    assert re.fullmatch(r"0 \d\.\d+\n", training)
    assert re.fullmatch(r"\[[\d.e\s+-]+\]\n", through)
    assert re.findall(r"name='(\w+)', kind='real', width=(\d)", parts) == [("reals", "4"), ("goals", "2")]


def test_the_table_of_parts_is_as_it_is_shown():
    table = table_of_parts(parts_of(ModelConfig(65, cell="gru", hidden=256)))
    assert "\n".join(f"    {line}" for line in table.splitlines()) in TEXT


def shortened(command: str) -> list[str]:
    words = shlex.split(command.replace("--minutes 3", f"--windows {WINDOWS[1]}"))
    assert words[0] == "gpurnn"
    return words[1:]


def of_one_form(lines: list[str]) -> list[str]:
    """The lines with # for every number, without runs of spaces."""
    return [" ".join(re.sub(r"\d[\d,.]*", "#", line).split()) for line in lines if line.strip()]


def test_the_first_session_goes_as_it_is_shown(folder: Path):
    commands = session()
    assert [command.split()[1] for command, _ in commands] == ["prepare", "train", "evaluate", "sample"]
    done: list[Result] = []
    for command, _ in commands:
        done.append(CliRunner().invoke(main, shortened(command)))
        assert done[-1].exit_code == 0, done[-1].output
    prepared, trained, evaluated, sampled = done
    shown = [lines for _, lines in commands]
    assert of_one_form(prepared.stdout.splitlines()) == of_one_form(shown[0])
    assert trained.stderr.splitlines()[-3:] == [line for line in shown[1] if line][-3:]
    first, *_, window, end, valid = of_one_form(shown[1])[:-3]
    for line in (first.partition(", on cpu")[0], window.partition(" valid")[0], valid.partition(";")[0]):
        assert any(line in told for told in of_one_form(trained.stderr.splitlines())), line
    assert end.partition("; ")[2] in of_one_form([trained.stderr])[0]
    assert of_one_form(evaluated.stdout.replace(str(folder), "/home/you").splitlines()) == of_one_form(shown[2])
    assert len(sampled.stdout) == 300
