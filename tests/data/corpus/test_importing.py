"""import-corpus: the same corpus out of a good file, one line about a bad one, and a child that can do no harm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from faults import hdf5bytes
from faults.hostile import HOSTILE, forge

from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus, importing
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.exceptions import CorpusError, DataError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def good(make_corpus):
    corpus = make_corpus(["To be, or not to be, that is the question.\n" * 500], split=(0.8, 0.1, 0.1))
    corpus.close()
    return corpus.path


def left_beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if each.name.startswith("."))


def test_a_good_file_is_copied_whole(good, tmp_path):
    import_corpus(good, tmp_path / "copy.h5")
    with Corpus.open(good) as original, Corpus.open(tmp_path / "copy.h5") as copy:
        copy.verify()
        assert copy.fingerprint == original.fingerprint
        assert copy.vocabulary.symbols == original.vocabulary.symbols
        assert copy.splits == original.splits
    assert left_beside(good) == []


def test_the_command_says_what_it_copied(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["import-corpus", str(good), "-o", "copy.h5"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("copy.h5: ")
    again = CliRunner().invoke(main, ["import-corpus", str(good), "-o", "copy.h5"])
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "gpurnn: cannot write copy.h5: it exists; give another name or --force to replace it\n"
    assert CliRunner().invoke(main, ["import-corpus", str(good), "-o", "copy.h5", "--force"]).exit_code == 0


@pytest.mark.parametrize("name", ["external storage", "virtual dataset onto itself", "opaque attribute", "chunk bomb"])
def test_hostile_files_are_refused_with_the_reason_of_the_reader(good, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options, reason = HOSTILE[name]
    path = forge(good, tmp_path / "hostile.h5", **options)
    with pytest.raises(CorpusError, match=reason) as caught:
        import_corpus(path, tmp_path / "copy.h5")
    assert str(caught.value).startswith(f"{path}: not a corpus: ")
    assert not (tmp_path / "copy.h5").exists()
    assert left_beside(path) == []


def test_special_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("fifo", "a FIFO, expected a file"), ("none", "No such file")):
        with pytest.raises(CorpusError, match=reason):
            import_corpus(tmp_path / name, tmp_path / "copy.h5")
    with pytest.raises(DataError, match="there is no folder"):
        import_corpus(tmp_path / "fifo", tmp_path / "none" / "copy.h5")


def test_altered_tokens_are_refused(good, tmp_path):
    with Corpus.open(good) as corpus:
        place = int(corpus._datasets["tokens/train"]._addresses[0]) + 100
    content = bytearray(good.read_bytes())
    content[place] ^= 1
    good.write_bytes(content)
    with pytest.raises(CorpusError, match="do not have the SHA-256 in it"):
        import_corpus(good, tmp_path / "copy.h5")
    assert not (tmp_path / "copy.h5").exists()
    assert left_beside(good) == []


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"its reader crashed \(SIGSEGV\)"),
        ("import os; os.write(1, b'M' + bytes(3))", "its reader failed with code 0"),
        ("import os; os.write(1, b'M' + b'\\xff' * 8)", "its manifest has 18446744073709551615 bytes"),
        ("import os; os.write(1, b'E\\x1b[2Jharm\\n' + b'x' * 100000)", r"^\\x1b\[2Jharm x+$"),
        ("import os; os.write(1, b'?')", "its reader failed with code 0"),
        ("import time; time.sleep(99)", "stopped after 2 silent seconds"),
    ],
)
def test_whatever_the_child_does_is_one_error(good, tmp_path, monkeypatch, does, reason):
    monkeypatch.setattr(importing, "_CHILD", (sys.executable, "-c", does))
    monkeypatch.setattr(importing, "_SILENCE_SECONDS", 2.0 if "sleep" in does else 60.0)
    with pytest.raises(CorpusError, match=reason) as caught:
        import_corpus(good, tmp_path / "copy.h5")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 4200
    assert left_beside(good) == []


def test_a_file_that_libhdf5_dies_of_is_one_error(good, tmp_path):
    """A chunk of no dimensions, under checksums that fit: HDF5 2.0 divides by zero, others may refuse it."""
    data = bytearray(good.read_bytes())
    layout = bytes([4, 2, 0, 2, 1])  # version 4, chunked, no flags, dimensions and one more, bytes of a chunk's size
    places = hdf5bytes.blocks(bytes(data))
    data[data.index(layout) + 3] = 0
    hdf5bytes.seal(data, places)
    good.write_bytes(data)
    with pytest.raises(CorpusError, match="not a corpus: ") as caught:
        import_corpus(good, tmp_path / "copy.h5")
    assert "\n" not in str(caught.value)
    assert left_beside(good) == []


CONFINED = """
import os, sys, errno
from gpurnn.data.corpus import quarantine
quarantine.confine(1000)
def refused(number, what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        return error.errno == number
    except MemoryError:
        return number == errno.ENOMEM
    return False
spare = os.open("spare", os.O_WRONLY)
assert refused(errno.EFBIG, os.write, spare, b"x")
second = os.open("spare", os.O_RDONLY)
assert refused(errno.EMFILE, os.open, "spare", os.O_RDONLY)
assert refused(errno.ENOMEM, bytearray, 2 * quarantine.MEMORY_BYTES)
bytearray(quarantine.MEMORY_BYTES // 2)
import resource
assert resource.getrlimit(resource.RLIMIT_CPU) == (20, 25)
os.write(1, b"confined")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit holds on Linux")
def test_the_child_can_open_write_and_take_nothing_more(tmp_path):
    (tmp_path / "spare").write_bytes(b"")
    script = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)" + CONFINED
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, b"confined"), done.stderr.decode()
