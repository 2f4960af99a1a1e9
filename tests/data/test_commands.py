"""The commands prepare and info."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from signalled import default_signals

from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("To be, or not to be.\n" * 100)
    return lambda *arguments, **options: CliRunner().invoke(main, arguments, **options)


def test_prepare_and_info(run):
    done = run("prepare", "x.txt", "-o", "x.h5", "--split", "0.5,0.5,0")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "x.h5: 11 chars in the vocabulary",
        "  train           1,050 tokens in 1 document",
        "  valid           1,050 tokens in 1 document",
        "  test                0 tokens in 0 documents",
    ]
    facts = json.loads(run("info", "x.h5", "--json").stdout)
    with Corpus.open("x.h5") as corpus:
        assert facts["fingerprint"] == corpus.fingerprint
    assert facts["symbols"] == 11
    assert facts["splits"]["valid"] == {"tokens": 1050, "documents": 1}
    shown = run("info", "x.h5", "--verify").stdout
    assert "tokens 1,050, documents 1" in shown
    assert shown.splitlines()[-1].split() == ["verified", "yes"]
    assert max(map(len, shown.splitlines())) <= 80


def test_all_options_reach_the_library(run):
    Path("v.txt").write_bytes(b"A b\r\n\xe9")
    text = b"One\r\n\r\ntwo one\r\n\r\nthree one two E\xe9"
    options = ["--encoding", "latin-1", "--normalise", "NFD", "--lower", "--newline", "lf", "--errors", "replace"]
    more = ["--tokens", "words", "--min-count", "2", "--document-separator", "\\n\\n", "--valid", "v.txt"]
    done = run("prepare", "-", "-o", "o.h5", *options, *more, input=text)
    assert done.exit_code == 0, done.stderr
    with Corpus.open("o.h5") as corpus:
        assert corpus.vocabulary.symbols == ["one", "two", ""]
        assert corpus.splits == {"train": 8, "valid": 5, "test": 0}
        assert corpus.policy.to_json() == {
            "encoding": "latin-1",
            "errors": "replace",
            "newline": "lf",
            "normalise": "NFD",
            "lower": True,
        }
    assert "symbols outside the vocabulary became unknown" in done.stdout
    assert run("prepare", "x.txt", "-o", "p.h5", "--vocab-from", "o.h5").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["prepare", "none.txt", "-o", "o.h5"], 1, "gpurnn: none.txt: cannot read the text: No such file or directory"),
        (["prepare", "x.txt"], 2, "Missing option '-o'"),
        (["prepare", "-o", "o.h5"], 2, "gpurnn: no text to prepare; name a file, a folder, or -"),
        (["prepare", "x.txt", "-o", "x.txt"], 1, "cannot write x.txt: it exists; give another name or --force"),
        (["prepare", "x.txt", "-o", "o.h5", "--split", "0.9,x"], 2, "expected fractions like 0.9,0.05,0.05"),
        (["prepare", "x.txt", "-o", "o.h5", "--split", "0.9,0.2,0"], 2, "gpurnn: --split 0.9,0.2,0: expected three"),
        (["info", "x.txt"], 1, "gpurnn: x.txt: not a corpus: not an HDF5 file"),
        (["info", "none.h5"], 1, "gpurnn: none.h5: cannot open the corpus: No such file or directory"),
    ],
)
def test_errors_are_one_line_and_a_code(run, arguments, code, message):
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stdout == ""
    assert not Path("o.h5").exists()
    assert list(Path().glob(".*")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_behind(tmp_path, number, code):
    """Prepare waits for standard input, then for the second half of it, when the signal comes."""
    command = [sys.executable, "-c", "from gpurnn.cli import main; main()", "prepare", "-", "-o", "o.h5"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=default_signals,
    )
    assert process.stdin is not None
    process.stdin.write(b"x" * 3_000_000)
    process.stdin.flush()  # the pipe is smaller: prepare has begun to read
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == b""
    assert err.decode() == f"gpurnn: stopped by {number.name}; nothing half-written is left\n"
    assert list(tmp_path.iterdir()) == []


def test_help_fits_80_columns(run):
    for command in ("prepare", "info"):
        done = run(command, "--help")
        assert done.exit_code == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
