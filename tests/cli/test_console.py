"""What goes out: results in any encoding, names that a shell takes, messages that leave a terminal as it is."""

from __future__ import annotations

import ast
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from trained import documents, make_corpus, make_run

import gpurnn
from gpurnn import backend
from gpurnn.cli import console
from gpurnn.cli.main import main
from gpurnn.cli.options import argument_text
from gpurnn.exceptions import shell_word

PACKAGE = Path(gpurnn.__file__).parent


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch):
    """Puts streams in memory in the place of the standard ones; returns what reads their bytes."""

    def put(encoding: str, errors: str = "strict"):
        for name in ("stdout", "stderr"):
            stream = io.TextIOWrapper(io.BytesIO(), encoding if name == "stdout" else "utf-8", errors)
            monkeypatch.setattr(sys, name, stream)
        return lambda: (sys.stdout.buffer.getvalue(), sys.stderr.buffer.getvalue().decode())

    return put


REPLACED = "gpurnn: {} replaced because standard output is {}; set PYTHONIOENCODING=utf-8\n"


@pytest.mark.parametrize(
    ("encoding", "errors", "expected", "told"),
    [
        ("utf-8", "strict", "für\n— a\n\\xff".encode(), ""),
        ("latin-1", "strict", b"f\xfcr\n? a\n\\xff", REPLACED.format("1 character was", "latin-1")),
        ("ascii", "strict", b"f?r\n? a\n\\xff", REPLACED.format("2 characters were", "ascii")),
        ("ascii", "surrogateescape", b"f?r\n? a\n\\xff", REPLACED.format("2 characters were", "ascii")),
        ("ascii", "backslashreplace", b"f\\xfcr\n\\u2014 a\n\\xff", REPLACED.format("2 characters were", "ascii")),
        ("ascii", "ignore", b"fr\n a\n\\xff", REPLACED.format("2 characters were", "ascii")),
        ("utf-16", "strict", "für\n— a\n\\xff".encode("utf-16"), ""),
        ("iso2022_jp", "strict", b"f?r\n? a\n\\xff", REPLACED.format("2 characters were", "iso2022_jp")),
    ],
)
def test_a_result_in_an_encoding(streams, encoding: str, errors: str, expected: bytes, told: str):
    written = streams(encoding, errors)
    with console.Output() as out:
        for piece in ("f", "ür\n", "", "— a", "\n\udcff"):
            out.write(piece)
    assert written() == (expected, told)


def test_an_encoding_with_states_is_ended_in_its_first_one(streams):
    written = streams("iso2022_jp")
    with console.Output() as out:
        out.write("あ")
        out.write("い")
    assert written() == ("あい".encode("iso2022_jp"), "")


def test_bytes_are_a_result_as_they_are(streams):
    written = streams("ascii")
    with console.Output() as out:
        out.write(bytes(range(256)))
    assert written() == (bytes(range(256)), "")


def test_a_message_changes_nothing_in_a_terminal(streams):
    written = streams("utf-8")
    console.message("first: für\nsecond: \x1b[31mred\r\x07\x9b\udcff")
    console.warn("a name\nwith \x1bs")
    assert written() == (b"", "first: für\nsecond: \\x1b[31mred\\x0d\\x07\\x9b\\xff\ngpurnn: a name\\x0awith \\x1bs\n")


NAMES = [
    *("run", "runs/b-1.h5", "two words", "it's", 'say "it"', "$HOME", "`ls`", "a\\b", "~", "*", "für", "日本", "", "#"),
    *("-run", "--help", "new\nline", "tab\t'", "esc\x1b[0m", "caf\udce9", "\udcff'\\\udc801", "a\u200bb"),
    *("!x", "a;b"),
]


def test_a_word_is_taken_by_a_shell_for_the_path():
    """Names that begin with a hyphen get "./" before it, so that no command takes them for options."""
    rng = random.Random(1)
    names = NAMES + [os.fsdecode(bytes(rng.choices(range(1, 256), k=12))) for _ in range(300)]
    script = "printf '%s\\0' " + " ".join(map(shell_word, names))
    assert script.isprintable() and "`" not in script  # which surrounds settings in messages
    taken = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.split(b"\0")[:-1]
    assert taken == [os.fsencode(f"./{name}" if name.startswith("-") else name) for name in names]
    assert shell_word(Path("runs/book")) == "runs/book"


def test_advice_can_be_pasted_into_a_shell(folder: Path, tmp_path: Path):
    run = tmp_path / os.fsdecode(b'-it\'s \xff a "run" of `lr` and $HOME\n')
    size = ("--hidden", "5", "--lanes", "2", "--bptt", "8", "--windows", "2", "--device", "cpu", "--threads", "1")
    done = CliRunner().invoke(main, ["train", str(folder / "text.h5"), "-o", str(run), *size])
    assert done.exit_code == 0, done.stderr
    advice = [line.split(":", 1)[1] for line in done.stderr.splitlines()[-3:]]
    assert [line.split()[:2] for line in advice] == [["gpurnn", name] for name in ("train", "evaluate", "sample")]
    function = f"gpurnn() {{ '{sys.executable}' -m gpurnn \"$@\"; }}\n"
    for line, more in zip(advice, (" --windows 3", "", ""), strict=True):
        pasted = subprocess.run(["bash", "-c", function + line + more], cwd=PACKAGE.parent, capture_output=True)
        assert pasted.returncode == 0, (line, pasted.stderr)
    done = CliRunner().invoke(main, ["train", str(folder / "other.h5"), "--resume", str(run)])
    assert done.exit_code == 1 and done.stderr.endswith(f"start a new run with --init-from {shell_word(run)}\n")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("für", "für"),
        (os.fsdecode(b"caf\xe9"), b"caf\xe9"),
        (b"f\xc3\xbcr".decode("ascii", "surrogateescape"), "für"),
        ("", ""),
    ],
)
def test_an_argument_is_what_its_bytes_are(given: str, meant: str | bytes):
    assert argument_text(given) == meant


def test_a_prompt_from_a_locale_that_lacks_its_characters(folder: Path):
    def sample(prompt: str):
        options = ("--length", "40", "--seed", "1", "--device", "cpu", "--prompt", prompt)
        return CliRunner().invoke(main, ["sample", str(folder / "für"), *options])

    lacking = "für".encode().decode("ascii", "surrogateescape")
    assert sample(lacking).stdout == sample("für").stdout != sample("fr").stdout
    done = sample(os.fsdecode(b"f\xfcr"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("gpurnn: the prompt: byte 1 (fc) is not utf-8: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus text.h5 with ü and the run `für` on it."""
    made = tmp_path_factory.mktemp("console")
    make_run(backend.get("cpu"), make_corpus(made / "text.h5", ["ü" * 300, *documents(24)]), made / "für")
    make_corpus(made / "other.h5", documents(30))
    (made / "plain.txt").write_text("a note does it\n" * 9 + "once")
    (made / "greek.txt").write_text("a note does it. αβγ\n" * 9)
    return made


def test_every_command_replaces_and_counts_in_the_same_way(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)

    def lines(*arguments: str) -> tuple[str, str]:
        done = CliRunner(charset="ascii").invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout, done.stderr

    one, three = REPLACED.format("1 character was", "ascii"), REPLACED.format("3 characters were", "ascii")
    shown, told = lines("info", "text.h5")
    assert "'?' " in shown and told == one
    shown, told = lines("info", "für")
    assert "path            f?r\n" in shown and told == REPLACED.format("3 characters were", "ascii")
    shown, told = lines("evaluate", "für", "--device", "cpu")
    assert shown.startswith("'f?r/best.safetensors' on split valid of ") and told == one
    lines("prepare", "plain.txt", "-o", "plain.h5", "--tokens", "words", "--min-count", "2")
    shown, told = lines("prepare", "greek.txt", "--vocab-from", "plain.h5", "-o", "greek.h5")
    assert "became unknown: '.' '???'" in shown and told == three


WAYS_TO_WRITE = {
    ("", "print"),
    *(("sys", name) for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")),
    *(("click", name) for name in ("echo", "secho", "echo_via_pager", "progressbar", "prompt", "confirm", "clear")),
}


def test_everything_is_written_in_one_place():
    """No other module of the package writes to a standard stream: by name, by print, or through click."""
    using = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used = (node.value.id, node.attr)
            else:
                used = ("", node.id if isinstance(node, ast.Name) else "")
            if used in WAYS_TO_WRITE:
                using.add(path.relative_to(PACKAGE).as_posix())
    assert using == {"cli/console.py", "signals.py"}  # a signal has its line below all buffers
