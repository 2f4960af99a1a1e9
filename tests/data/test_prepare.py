"""Texts become corpora: what is in them, what is reported, and that nothing is left behind."""

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus import writer as writer_module
from gpurnn.data.corpus.describe import describe_corpus
from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.prepare import prepare
from gpurnn.data.text import inputs
from gpurnn.exceptions import CorpusError, DataError, GpurnnError, UsageError

ROOT = Path(__file__).resolve().parents[2]


def ids_of(corpus, name):
    out = np.zeros(corpus.splits[name], corpus.split(name).dtype)
    corpus.split(name).read(0, out)
    return out


def text_of(corpus, name="train"):
    return corpus.vocabulary.decode(ids_of(corpus, name).tolist())


def starts_of(corpus, name="train"):
    documents = corpus.split(name).documents
    out = np.zeros(len(documents), np.uint64)
    documents.read(0, out)
    return out.tolist()


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_tinyshakespeare_is_cut_where_everybody_cuts_it(shakespeare, tmp_path):
    report = prepare([shakespeare], tmp_path / "t.h5", split=(0.9, 0.1, 0))
    text = shakespeare.read_text(encoding="utf-8")
    assert report.splits["train"] == SplitSize(1_003_854, 1)
    assert report.splits["valid"] == SplitSize(111_540, 1)
    assert report.splits["test"] == SplitSize(0, 0)
    assert report.symbols == 65
    with Corpus.open(tmp_path / "t.h5") as corpus:
        assert text_of(corpus) == text[:1_003_854]
        assert text_of(corpus, "valid") == text[1_003_854:]
        assert corpus.vocabulary.symbols == sorted(set(text))
        assert corpus.vocabulary.unknown is None
        assert corpus.counts.tolist() == [text[:1_003_854].count(s) for s in corpus.vocabulary.symbols]
        assert corpus.fingerprint == report.fingerprint
        assert corpus.split("train").dtype == np.uint8


def test_each_file_is_a_document_and_folders_are_read_in_order(tmp_path):
    folder = tmp_path / "texts"
    (folder / "b").mkdir(parents=True)
    write(folder / "c.txt", "third")
    write(folder / "a.txt", "first")
    write(folder / "b" / "x.gz", gzip.compress(b"second"))
    write(folder / "empty.txt", "")
    lone = write(tmp_path / "lone.txt", "zero")
    report = prepare([lone, folder, "-"], tmp_path / "o.h5", split=(1, 0, 0), stdin=io.BytesIO(b"last"))
    assert report.sources == 6
    assert report.empty == 1
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert text_of(corpus) == "zerofirstsecondthirdlast"
        assert starts_of(corpus) == [0, 4, 9, 15, 20]
        symbols, counts = corpus.starts
        found = dict(zip(corpus.vocabulary.decode(symbols.tolist()), counts.tolist(), strict=True))
        assert found == {"z": 1, "f": 1, "s": 1, "t": 1, "l": 1}


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
def test_documents_by_separator(tmp_path, monkeypatch, kind, block):
    monkeypatch.setattr(inputs, "BLOCK", block)
    path = write(tmp_path / "x.txt", "one two##three##\n####four##")
    prepare([path, path], tmp_path / "o.h5", tokens=kind, document_separator="##", split=(1, 0, 0))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        if kind == "words":
            assert text_of(corpus) == "one two three\nfour one two three\nfour"
            assert starts_of(corpus) == [0, 2, 3, 4, 5, 7, 8, 9]
        else:
            assert text_of(corpus) == "one twothree\nfour" * 2
            assert starts_of(corpus) == [0, 7, 12, 13, 17, 24, 29, 30]


def test_a_split_inside_a_document_begins_one(tmp_path):
    a, b = write(tmp_path / "a.txt", "abcdef"), write(tmp_path / "b.txt", "abcd")
    prepare([a, b], tmp_path / "o.h5", split=(0.5, 0.3, 0.2))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert (text_of(corpus), starts_of(corpus)) == ("abcde", [0])
        assert (text_of(corpus, "valid"), starts_of(corpus, "valid")) == ("fab"[:3].replace("f", "\ufffd"), [0, 1])
        assert (text_of(corpus, "test"), starts_of(corpus, "test")) == ("cd", [0])


@pytest.mark.parametrize("length", [2, 3, 7, 10, 99, 1000])
@pytest.mark.parametrize("split", [(0.9, 0.05, 0.05), (0.9, 0.1, 0), (0.7, 0, 0.3), (1, 0, 0), (0.33, 0.33, 0.34)])
def test_splits_hold_everything_in_order(tmp_path, length, split):
    path = write(tmp_path / "x.txt", bytes(range(97, 107)) * 100)
    path.write_bytes(path.read_bytes()[:length])
    cut = int(split[0] * length)
    if cut < 2:
        with pytest.raises(DataError, match=f"train split has {cut} chars of {length}, expected 2 or more"):
            prepare([path], tmp_path / "o.h5", split=split)
        return
    report = prepare([path], tmp_path / "o.h5", split=split)
    sizes = [report.splits[name].tokens for name in ("train", "valid", "test")]
    assert sizes[0] == cut
    assert sum(sizes) == length
    assert all(size == 0 for size, part in zip(sizes, split, strict=True) if part == 0)


def test_a_file_for_each_split(tmp_path):
    a, b, c = (write(tmp_path / name, text) for name, text in (("a", "abab"), ("b", "abc"), ("c", "ad\n")))
    report = prepare([a], tmp_path / "o.h5", valid=[b, b], test=[c])
    assert report.unknown == {"train": 0, "valid": 2, "test": 2}
    assert report.unknown_symbols == 3
    assert report.unknown_examples[0] == "c"
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert corpus.vocabulary.symbols == ["a", "b", ""]
        assert corpus.vocabulary.unknown == 2
        assert ids_of(corpus, "valid").tolist() == [0, 1, 2, 0, 1, 2]
        assert ids_of(corpus, "test").tolist() == [0, 2, 2]
        assert starts_of(corpus, "valid") == [0, 3]


def test_rare_words_become_unknown(tmp_path):
    path = write(tmp_path / "x.txt", "b a b a c\ta , b\n" + "z b")
    report = prepare([path], tmp_path / "o.h5", tokens="words", min_count=2, split=(0.82, 0.18, 0))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert corpus.vocabulary.symbols == ["b", "a", ""]  # the commonest first, then by first appearance
        assert ids_of(corpus, "train").tolist() == [0, 1, 0, 1, 2, 1, 2, 0, 2]
        assert ids_of(corpus, "valid").tolist() == [2, 0]
        assert corpus.counts.tolist() == [3, 3, 3]
    assert report.unknown == {"train": 3, "valid": 1, "test": 0}
    assert set(report.unknown_examples) == {"c", ",", "\n", "z"}


def test_wider_token_types(tmp_path):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "😀"
    prepare([write(tmp_path / "x.txt", text)], tmp_path / "o.h5", split=(1, 0, 0))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert corpus.split("train").dtype == np.dtype("<u2")
        assert text_of(corpus) == text
    words = " ".join(f"w{i}" for i in range(70_000))
    prepare([write(tmp_path / "x.txt", words)], tmp_path / "o.h5", tokens="words", split=(1, 0, 0), force=True)
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert corpus.split("train").dtype == np.dtype("<u4")
        assert ids_of(corpus, "train").tolist() == list(range(70_000))


def test_policy_is_applied_and_stored(tmp_path):
    path = write(tmp_path / "x.txt", "É\r\nE\u0301".encode("utf-16"))
    fields = {"encoding": "utf-16", "normalise": "NFC", "lower": True}
    prepare([path], tmp_path / "o.h5", policy=fields, split=(1, 0, 0))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert text_of(corpus) == "é\né"
        assert corpus.policy.to_json() == {"errors": "strict", "newline": "lf"} | fields


def test_bytes_are_taken_as_they_are(tmp_path):
    data = bytes(range(256)) + b"\r\n\xff"
    prepare([write(tmp_path / "x", data)], tmp_path / "o.h5", tokens="bytes", split=(1, 0, 0))
    with Corpus.open(tmp_path / "o.h5") as corpus:
        assert ids_of(corpus, "train").tobytes() == data


def test_another_corpus_with_the_same_vocabulary(tmp_path):
    a, b, c = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5"
    prepare([write(tmp_path / "1", "Hello there")], a, policy={"lower": True}, split=(1, 0, 0))
    prepare([write(tmp_path / "2", "THE HOLE")], b, vocab_from=a, split=(1, 0, 0))
    with Corpus.open(a) as one, Corpus.open(b) as two:
        assert two.vocabulary.symbols == one.vocabulary.symbols
        assert two.policy == one.policy
        assert text_of(two) == "the hole"
        assert two.fingerprint != one.fingerprint
    with pytest.raises(DataError, match="1 symbols of the text, 'x' among them, are not in the vocabulary"):
        prepare([write(tmp_path / "3", "hex")], c, vocab_from=a)
    with pytest.raises(UsageError, match="`tokens=words` contradicts `vocab_from="):
        prepare([tmp_path / "2"], c, vocab_from=a, tokens="words")
    with pytest.raises(UsageError, match="`lower=False` contradicts `vocab_from="):
        prepare([tmp_path / "2"], c, vocab_from=a, policy={"lower": False})
    prepare([write(tmp_path / "4", "aab")], c, valid=[tmp_path / "3"])
    prepare([tmp_path / "2"], b, vocab_from=c, force=True, split=(1, 0, 0))
    with Corpus.open(b) as two:
        assert ids_of(two, "train").tolist() == [2] * 8


def test_the_same_text_gives_the_same_fingerprint(tmp_path):
    path = write(tmp_path / "x.txt", "some text, twice")
    one, two = (prepare([path], tmp_path / name).fingerprint for name in ("1.h5", "2.h5"))
    other = prepare([path], tmp_path / "3.h5", split=(0.5, 0.5, 0)).fingerprint
    assert one == two != other
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def test_description(make_corpus):
    corpus = make_corpus(["aab", "b"], split=(1, 0, 0))
    facts = describe_corpus(corpus)
    assert facts["splits"]["train"] == {"tokens": 4, "documents": 2}
    assert facts["commonest"] == [["a", 0.5], ["b", 0.5]]
    assert facts["unigram_nats"] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": (0.5, 0.5, float("nan"))}, "`split`: expected a finite number, found nan"),
        ({"split": (True, 0, 0)}, "`split`: expected a finite number, found True"),
        ({"min_count": 1.5}, "`min_count`: expected a whole number, found 1.5"),
        ({"split": (0.5, 0.4, 0.2)}, "`split=0.5,0.4,0.2`: expected three fractions"),
        ({"split": (0, 0.5, 0.5)}, "`split=0,0.5,0.5`"),
        ({"split": (0.5, 0.5)}, "`split=0.5,0.5`: expected three"),
        ({"split": (1, 0, 0), "valid": ["x.txt"]}, "`split` contradicts `valid` and `test`"),
        ({"min_count": 2}, "`min_count=2`"),
        ({"tokens": "bytes", "policy": {"lower": True}}, "`lower` does not go with `tokens=bytes`"),
        ({"document_separator": ""}, "`document_separator` is empty"),
        ({"inputs": []}, "no text to prepare"),
        ({"inputs": ["-", "-"]}, "only once"),
        ({"output": "x.txt", "force": True}, "x.txt is among the texts"),
        ({"policy": {"encoding": "klingon"}}, "'klingon' is not a text encoding"),
        ({"inputs": ["none.txt"]}, "none.txt: cannot read the text: No such file"),
        ({"inputs": ["empty.txt"]}, "empty.txt: the text is empty"),
        ({"inputs": ["spaces.txt"], "tokens": "words"}, "the train split has 0 words of 0"),
        ({"inputs": ["bad.txt"]}, r"bad.txt: byte 2 \(ff\) is not utf-8"),
        ({"inputs": ["half.txt"], "policy": {"encoding": "utf-7"}}, "half of a surrogate pair"),
        ({"inputs": ["cut.gz"]}, "cut.gz: the .gz file is truncated"),
        ({"output": "nowhere/o.h5"}, "there is no folder nowhere"),
        ({"output": "there.h5"}, "there.h5: it exists; give another name or `force`"),
        ({"vocab_from": "x.txt"}, "x.txt: not a corpus"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("x.txt", b"abcdefgh"),
        ("empty.txt", b""),
        ("spaces.txt", b"   "),
        ("bad.txt", b"ab\xff"),
        ("half.txt", b"ab+2AA-cd"),
        ("cut.gz", gzip.compress(b"abc" * 1000)[:-9]),
        ("there.h5", b"precious"),
    ):
        write(tmp_path / name, content)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    given = {"inputs": ["x.txt"], "output": "o.h5"} | options
    with pytest.raises(GpurnnError, match=message) as caught:
        prepare(given.pop("inputs"), given.pop("output"), **given)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_force_replaces_only_when_the_new_corpus_is_whole(tmp_path):
    path, output = write(tmp_path / "x.txt", "abcdef"), tmp_path / "o.h5"
    prepare([path], output)
    old = output.read_bytes()
    with pytest.raises(DataError):
        prepare([path, write(tmp_path / "bad", b"\xff")], output, force=True)
    assert output.read_bytes() == old
    prepare([write(tmp_path / "x.txt", "ghijkl")], output, force=True)
    assert output.read_bytes() != old


def test_an_interrupt_anywhere_leaves_nothing_behind(tmp_path):
    path, output = write(tmp_path / "x.txt", "abcdef" * 1000), tmp_path / "o.h5"
    seen = []

    def interrupt_at(phase):
        def progress(now, done, whole):
            seen.append(now)
            if now == phase:
                raise KeyboardInterrupt

        return progress

    for phase in ("reading", "writing", "verifying"):
        with pytest.raises(KeyboardInterrupt):
            prepare([path], output, progress=interrupt_at(phase))
        assert seen[-1] == phase
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("limit", [1000, 30_000, 100_000, 1_000_000, 1_200_000])
def test_a_full_disk_is_one_error_and_leaves_nothing_behind(tmp_path, limit):
    """The file size limit of the process stands in for the disk: a write beyond it fails in the kernel."""
    write(tmp_path / "x.txt", "The quick brown fox.\n" * 60_000)
    code = f"""
import resource, signal
from gpurnn.data.prepare import prepare
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    prepare(["x.txt"], "o.h5")
except OSError as error:
    print(type(error).__name__, error.filename, error.strerror)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "OSError o.h5 File too large\n", done.stderr
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


def test_errors_of_single_writes_are_raised_and_nothing_is_published(tmp_path, monkeypatch):
    """Each write of the file fails once: prepare reports every one and leaves nothing behind."""
    path = write(tmp_path / "x.txt", "abcdef" * 50_000)
    write_of_sink = writer_module._Sink.write
    failed = 0
    for turn in range(1000):
        count = 0

        def failing(sink, data, turn=turn):
            nonlocal count
            count += 1
            if count - 1 == turn:
                sink.error = sink.error or OSError(28, "No space left on device")
            return write_of_sink(sink, data)

        monkeypatch.setattr(writer_module._Sink, "write", failing)
        try:
            prepare([path], tmp_path / "o.h5")
        except OSError as error:
            assert "No space left" in str(error)
            assert list(tmp_path.iterdir()) == [path]
            failed += 1
        else:
            assert count <= turn
            break
    assert failed > 10
    assert (tmp_path / "o.h5").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everywhere")
def test_a_read_only_folder_and_an_unreadable_text(tmp_path):
    path = write(tmp_path / "x.txt", "abcdef")
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    with pytest.raises((OSError, DataError), match="Permission denied"):
        prepare([path], folder / "o.h5")
    path.chmod(0)
    with pytest.raises(DataError, match=r"x.txt: cannot read the text: Permission denied"):
        prepare([path], tmp_path / "o.h5")


def test_damage_while_writing_is_found_before_publishing(tmp_path, monkeypatch):
    path = write(tmp_path / "x.txt", "abcdef" * 100)
    finish = writer_module.CorpusWriter.finish

    def damaging(writer, manifest):
        finish(writer, manifest)
        content = bytearray(writer.temporary.read_bytes())
        place = content.find(bytes(range(6)) * 10)
        content[place] = 1
        writer.temporary.write_bytes(content)

    monkeypatch.setattr(writer_module.CorpusWriter, "finish", damaging)
    with pytest.raises(CorpusError, match="tokens/train does not have the SHA-256"):
        prepare([path], tmp_path / "o.h5")
    assert list(tmp_path.iterdir()) == [path]


MEMORY = """
import resource, sys
from pathlib import Path
from gpurnn.data.prepare import prepare

def peak():
    status = Path("/proc/self/status")  # ru_maxrss begins with what the parent used before the exec
    if status.exists():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

peaks = []
for name in ("small.txt", "large.txt"):
    prepare([name], "o.h5", force=True, OPTIONS)
    peaks.append(peak())
print(*peaks)
"""


@pytest.mark.parametrize("options", ["tokens='chars'", "tokens='words'", "document_separator='and'"])
def test_memory_does_not_grow_with_the_text(tmp_path, options):
    line = "the quick brown fox and the lazy dog\n"
    write(tmp_path / "small.txt", line * 100_000)
    write(tmp_path / "large.txt", line * 800_000)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.replace("OPTIONS", options)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    small, large = map(int, done.stdout.split())
    assert large < 150e6
    assert large - small < 8e6  # the larger text has 26 MB more
