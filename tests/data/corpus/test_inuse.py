"""A corpus that another program has open for writing is told from one that is damaged."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus, inuse
from gpurnn.data.prepare import prepare
from gpurnn.exceptions import CorpusError

HELD = """
import h5py, sys
file = h5py.File({name!r}, {mode!r}, libver="v110")
{more}
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "x.txt").write_text("abcdef" * 100)
    prepare([tmp_path / "x.txt"], tmp_path / "x.h5")
    return tmp_path / "x.h5"


@contextmanager
def holder(path: Path, mode: str, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another program that has the file open until its standard input ends."""
    script = HELD.format(name=str(path), mode=mode, more=more)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        yield process


@pytest.mark.parametrize("mode", ["r+", "w"])
def test_the_program_is_named(mode: str, corpus: Path) -> None:
    with holder(corpus, mode) as process:
        for command in (["info", str(corpus)], ["import-corpus", str(corpus), "-o", str(corpus.with_name("copy.h5"))]):
            done = CliRunner().invoke(main, command)
            assert done.exit_code == 1
            told = f"gpurnn: {corpus}: cannot open the corpus: it is open for writing by process {process.pid} ("
            assert done.stderr.startswith(told)
            assert done.stderr.endswith("; close it there and try again\n")


def test_a_program_that_only_reads_is_in_nobodys_way(corpus: Path) -> None:
    with holder(corpus, "r"), Corpus.open(corpus) as opened:
        opened.verify()


def test_after_the_program_has_closed_it_the_corpus_is_sound(corpus: Path) -> None:
    with h5py.File(corpus, "r+"):
        pass
    with Corpus.open(corpus) as opened:
        opened.verify()


@pytest.mark.parametrize("end", ["kill", "beside readers"])
def test_a_mark_without_a_lock_is_told(end: str, corpus: Path) -> None:
    """A killed program leaves one; one that lets others read while it writes (SWMR) gives its lock back."""
    told = r"open for writing by another program; close it there .* If none is left"
    with holder(corpus, "r+", "file.swmr_mode = True" if end == "beside readers" else "") as process:
        if end == "kill":
            process.kill()
            process.wait()
        with pytest.raises(CorpusError, match=told):
            Corpus.open(corpus)


def test_where_the_system_does_not_tell_who_it_is_another_program(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inuse, "Path", lambda *parts: Path("/no/such/place"))
    with holder(corpus, "r+"), pytest.raises(CorpusError, match="open for writing by another program; close it there"):
        Corpus.open(corpus)


def test_damage_is_still_damage(corpus: Path) -> None:
    whole = corpus.read_bytes()
    corpus.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match=f"{corpus}: not a corpus: truncated or damaged"):
        Corpus.open(corpus)
