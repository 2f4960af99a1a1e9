"""Hostile and damaged corpus files: each is refused with its reason in one line."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from faults.hostile import HOSTILE, forge, write_plain

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.exceptions import CorpusError

TEXT = "To be, or not to be, that is the question.\n" * 500


@pytest.fixture
def good(make_corpus):
    corpus = make_corpus([TEXT], split=(0.8, 0.1, 0.1))
    corpus.close()
    return corpus.path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_their_reason(good, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options, reason = HOSTILE[name]
    path = forge(good, tmp_path / "hostile.h5", **options)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(CorpusError, match=reason) as caught:
        Corpus.open(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert len(message) < 400 + len(str(path))
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_the_forger_makes_good_files_too(good, tmp_path):
    with Corpus.open(forge(good, tmp_path / "copy.h5")) as copy, Corpus.open(good) as original:
        copy.verify()
        assert copy.fingerprint == original.fingerprint
    with h5py.File(good) as file:
        assert json.loads(file.attrs["gpurnn"])["version"] == 1


def test_a_shape_that_the_file_cannot_hold(good, tmp_path):
    fields = json.loads(h5py.File(good).attrs["gpurnn"])
    fields["splits"]["train"]["tokens"] = 2**50
    with pytest.raises(CorpusError, match=r"declares 11258999\d+ bytes of data, the file has only"):
        Corpus.open(forge(good, tmp_path / "bomb.h5", manifest={"splits": fields["splits"]}))


def test_a_fifo_and_other_special_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.h5")
    with pytest.raises(CorpusError, match=r"fifo.h5: cannot open the corpus: it is a FIFO, expected a file"):
        Corpus.open(tmp_path / "fifo.h5")
    with pytest.raises(CorpusError, match="a folder, expected a file"):
        Corpus.open(tmp_path)
    with pytest.raises(CorpusError, match="a device, expected a file"):
        Corpus.open("/dev/null")
    with pytest.raises(CorpusError, match="No such file"):
        Corpus.open(tmp_path / "missing.h5")


def test_files_that_are_no_corpus(tmp_path):
    path = tmp_path / "x.h5"
    for content, reason in (
        (b"", "an empty file"),
        (b"text", "not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" * 20, "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=reason):
            Corpus.open(path)
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2, 3]
    with pytest.raises(CorpusError, match="0 attributes, expected one named gpurnn; make one with gpurnn prepare"):
        Corpus.open(path)


def test_every_truncation_is_refused(good):
    whole = good.read_bytes()
    for size in [*range(0, 4096, 97), *range(4096, len(whole), 4001), len(whole) - 1]:
        good.write_bytes(whole[:size])
        with pytest.raises(CorpusError):
            Corpus.open(good)


def test_altered_tokens_fail_the_verification(good):
    with Corpus.open(good) as corpus:
        corpus.verify()
        place = int(corpus._datasets["tokens/train"]._addresses[0]) + 100
        kinds = len(corpus.vocabulary)
    content = bytearray(good.read_bytes())
    content[place] = (content[place] + 1) % kinds
    good.write_bytes(content)
    with Corpus.open(good) as corpus, pytest.raises(CorpusError, match="tokens/train does not have the SHA-256"):
        corpus.verify()
    content[place] = kinds
    good.write_bytes(content)
    with Corpus.open(good) as corpus:
        split = corpus.split("train")
        with pytest.raises(CorpusError, match=f"a token {kinds} at or after 0, the vocabulary ends at {kinds - 1}"):
            split.read(0, np.zeros(200, split.dtype))
        with pytest.raises(IndexError):
            split.read(len(split) - 1, np.zeros(2, split.dtype))


def test_documents_that_do_not_rise(make_corpus, tmp_path):
    corpus = make_corpus(["ab", "cd", "ef", "gh"])
    fields = dict(corpus.manifest.sha256)
    wrong = np.array([0, 6, 2, 4], np.uint64)
    fields["documents/train"] = hashlib.sha256(wrong.tobytes()).hexdigest()
    path = forge(
        corpus.path,
        tmp_path / "wrong.h5",
        datasets={"documents/train": lambda g, n, v: write_plain(g, n, wrong)},
        manifest={"sha256": fields},
    )
    with Corpus.open(path) as hostile, pytest.raises(CorpusError, match="documents of split train are not in order"):
        hostile.verify()


def test_manifest_survives_its_text(good):
    with Corpus.open(good) as corpus:
        again = Manifest.from_json(corpus.manifest.to_json().encode())
        assert again == corpus.manifest
        assert again.fingerprint == corpus.fingerprint


FUZZ = """
import pathlib, random, sys
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import CorpusError
path, rng = sys.argv[1], random.Random(5)
whole, refused = pathlib.Path(path).read_bytes(), 0
places = [i for i in range(len(whole)) if whole[i : i + 64] != bytes(64)]
for _ in range(400):
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 4))):
        content[rng.choice(places) if rng.random() < .5 else rng.randrange(4096)] ^= 1 << rng.randrange(8)
    pathlib.Path(path).write_bytes(content)
    try:
        with Corpus.open(path) as corpus:
            corpus.verify()
    except CorpusError as error:
        refused += 1
        assert chr(10) not in str(error)
print(refused)
"""


def test_bit_flips_meet_typed_errors_only(make_corpus):
    corpus = make_corpus([TEXT[:2000]])
    corpus.close()
    command = [sys.executable, "-c", FUZZ, str(corpus.path)]
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 150
    assert done.stderr == ""
