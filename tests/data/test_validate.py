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
from h5py import h5a, h5d, h5p, h5s, h5t

from gpurnn.data.corpus import Corpus
from gpurnn.data.schema import Manifest
from gpurnn.exceptions import CorpusError

TEXT = "To be, or not to be, that is the question.\n" * 500


@pytest.fixture
def good(make_corpus):
    corpus = make_corpus([TEXT], split=(0.8, 0.1, 0.1))
    corpus.close()
    return corpus.path


def write_plain(folder, name, values):
    folder.create_dataset(name, data=values, chunks=(min(len(values), 65536 // values.itemsize),))


def forge(good, path, datasets=None, attribute=None, change=None, manifest=None, **file_options):
    """A copy of a good corpus. datasets: by path, how to write it instead (None: leave it out). attribute: likewise,
    for the manifest. change: called with the whole file at the end. manifest: fields that differ, fingerprint made
    to fit."""
    datasets = datasets or {}
    with h5py.File(good) as source, h5py.File(path, "w", **file_options) as target:
        text = source.attrs["gpurnn"]
        text = text.decode() if isinstance(text, bytes) else text
        if manifest is not None:
            text = refit(text, manifest)
        for folder in source:
            group = target.create_group(folder)
            for name in source[folder]:
                write = datasets.get(f"{folder}/{name}", write_plain)
                if write is not None:
                    write(group, name, source[folder][name][:])
        if attribute is None:
            write_string(target, text.encode())
        else:
            attribute(target, text)
        if change is not None:
            change(target)
    return path


def write_string(file, text):
    kind = h5t.C_S1.copy()
    kind.set_size(len(text))
    made = h5a.create(file["/"].id, b"gpurnn", kind, h5s.create(h5s.SCALAR))
    made.write(np.array(text, f"S{len(text)}"), mtype=kind)


def refit(text, changes):
    fields = json.loads(text) | changes
    del fields["fingerprint"]
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return json.dumps(fields | {"fingerprint": hashlib.sha256(canonical.encode()).hexdigest()}, separators=(",", ":"))


def external_storage(group, name, values):
    Path("secret").write_bytes(bytes(len(values)))
    group.create_dataset(name, shape=values.shape, dtype=values.dtype, external=[("secret", 0, len(values))])


def external_link(group, name, values):
    with h5py.File("other.h5", "w") as other:
        other["data"] = values
    group[name] = h5py.ExternalLink("other.h5", "/data")


def soft_link(group, name, values):
    group[name] = h5py.SoftLink("/documents/train")


def hard_link(group, name, values):
    group[name] = group["train"]


def virtual_onto_itself(group, name, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource(".", group.name + "/" + name, shape=values.shape)
    group.create_virtual_dataset(name, layout)


def typed(kind):
    def write(group, name, values):
        space = h5s.create_simple(values.shape)
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_chunk((4096,))
        h5d.create(group.id, name.encode(), kind, space, properties)

    return write


def opaque():
    return h5t.create(h5t.OPAQUE, 8)


def compound():
    kind = h5t.create(h5t.COMPOUND, 1)
    kind.insert(b"x", 0, h5t.STD_U8LE)
    return kind


def as_type(dtype):
    return lambda group, name, values: write_plain(group, name, values.astype(dtype))


def with_options(**options):
    def write(group, name, values):
        group.create_dataset(name, data=values, **options)

    return write


def chunk_bomb(group, name, values):
    group.create_dataset(name, shape=values.shape, maxshape=(None,), dtype="u1", chunks=(2**31,), compression="gzip")


def oversized_chunk(group, name, values):
    # allowed beyond the extent only with room to grow
    group.create_dataset(name, shape=values.shape, maxshape=(2**22,), dtype="u1", chunks=(2**21,))


def missing_chunks(group, name, values):
    made = group.create_dataset(name, shape=values.shape, dtype="u1", chunks=(4096,))
    made[:4096] = values[:4096]


def group_instead(group, name, values):
    group.create_group(name)


def named_type_instead(group, name, values):
    group[name] = np.dtype("u1")


def text_attribute(value):
    return lambda file, text: write_string(file, value)


def opaque_attribute(file, text):
    h5a.create(file["/"].id, b"gpurnn", opaque(), h5s.create(h5s.SCALAR))


def reference_attribute(file, text):
    file.attrs["gpurnn"] = file["tokens"].ref


def huge_attribute(file, text):
    write_string(file, text.encode().ljust(200_000))


def array_attribute(file, text):
    file.attrs["gpurnn"] = np.array([text.encode()] * 2)


def variable_attribute(file, text):
    file.attrs["gpurnn"] = text


def no_attribute(file, text):
    pass


SIZES = {"train": {"tokens": 2**50, "documents": 1}, "valid": {"tokens": 0, "documents": 0}}
SIZES["test"] = SIZES["valid"]

HOSTILE = {
    "external storage": ({"datasets": {"tokens/train": external_storage}}, "stored in external files"),
    "external link": ({"datasets": {"tokens/train": external_link}}, "tokens/train is an external link"),
    "soft link": ({"datasets": {"tokens/train": soft_link}}, "tokens/train is a soft link"),
    "hard link twice": ({"datasets": {"tokens/valid": hard_link}}, "there twice"),
    "virtual dataset onto itself": ({"datasets": {"tokens/train": virtual_onto_itself}}, "layout virtual"),
    "opaque dataset": ({"datasets": {"tokens/train": typed(opaque())}}, "an opaque type"),
    "compound dataset": ({"datasets": {"tokens/train": typed(compound())}}, "a compound type"),
    "variable-length dataset": (
        {"datasets": {"tokens/train": typed(h5t.vlen_create(h5t.STD_U8LE))}},
        "variable-length",
    ),
    "reference dataset": ({"datasets": {"tokens/train": typed(h5t.STD_REF_OBJ)}}, "references to objects"),
    "string dataset": ({"datasets": {"tokens/train": typed(h5t.C_S1)}}, "holds strings"),
    "float dataset": ({"datasets": {"tokens/train": as_type("f4")}}, "floating-point"),
    "signed dataset": ({"datasets": {"tokens/train": as_type("i1")}}, "of another kind"),
    "wider dataset": ({"datasets": {"tokens/train": as_type("u2")}}, "integers of 2 bytes"),
    "big-endian offsets": ({"datasets": {"vocabulary/offsets": as_type(">u8")}}, "of another kind"),
    "matrix": (
        {"datasets": {"tokens/train": lambda g, n, v: g.create_dataset(n, data=v.reshape(-1, 2), chunks=(4096, 2))}},
        "not an array of one dimension",
    ),
    "scalar": ({"datasets": {"tokens/train": lambda g, n, v: g.create_dataset(n, data=v[0])}}, "layout contiguous"),
    "shorter": ({"datasets": {"tokens/train": lambda g, n, v: write_plain(g, n, v[:-1])}}, r"shape \(17199,\)"),
    "may grow": ({"datasets": {"tokens/train": with_options(maxshape=(None,), chunks=(4096,))}}, "fixed"),
    "contiguous": ({"datasets": {"tokens/train": with_options()}}, "layout contiguous, expected chunked"),
    "filter": ({"datasets": {"tokens/train": with_options(compression="gzip")}}, "the filter 1, expected none"),
    "chunk bomb": ({"datasets": {"tokens/train": chunk_bomb}}, "chunks of 2147483648 bytes"),
    "oversized chunk": (
        {"datasets": {"tokens/train": oversized_chunk}},
        "chunks of 2097152 bytes, expected at most 1048576",
    ),
    "many tiny chunks": ({"datasets": {"tokens/train": with_options(chunks=(16,))}}, "chunks of 16 bytes"),
    "missing chunks": ({"datasets": {"tokens/train": missing_chunks}}, "1 chunks, expected 5; some are missing"),
    "no dataset": ({"datasets": {"tokens/train": None}}, "tokens holds 2 objects, expected exactly test, train, valid"),
    "group instead of dataset": ({"datasets": {"tokens/train": group_instead}}, "is not a dataset"),
    "type instead of dataset": ({"datasets": {"tokens/train": named_type_instead}}, "is not a dataset"),
    "extra dataset": ({"change": lambda f: f.create_dataset("tokens/more", data=[1])}, "tokens holds 4 objects"),
    "extra group": ({"change": lambda f: f.create_group("more")}, "group / holds 5 objects"),
    "other group": ({"change": lambda f: f.move("starts", "begins")}, "no object starts"),
    "extra attribute": ({"change": lambda f: f.attrs.create("more", 1)}, "2 attributes, expected one"),
    "attribute of a dataset": ({"change": lambda f: f["tokens/train"].attrs.create("x", 1)}, "has 1 attributes"),
    "attribute of a group": ({"change": lambda f: f["tokens"].attrs.create("x", 1)}, "tokens has 1 attributes"),
    "no attribute": ({"attribute": no_attribute}, "0 attributes, expected one named gpurnn"),
    "opaque attribute": ({"attribute": opaque_attribute}, "attribute gpurnn is an opaque type"),
    "reference attribute": ({"attribute": reference_attribute}, "attribute gpurnn is references"),
    "variable-length attribute": ({"attribute": variable_attribute}, "attribute gpurnn is a variable-length string"),
    "array attribute": ({"attribute": array_attribute}, "is an array"),
    "huge attribute": ({"attribute": huge_attribute, "libver": "latest"}, "200000 bytes, expected at most 65536"),
    "no JSON": ({"attribute": text_attribute(b"{")}, "manifest is not JSON"),
    "deep JSON": ({"attribute": text_attribute(b"[" * 30_000)}, "manifest is not JSON"),
    "huge number": ({"attribute": text_attribute(b"9" * 30_000)}, "manifest is not JSON"),
    "other JSON": ({"attribute": text_attribute(b"[1]")}, "not that of a gpurnn-corpus"),
    "altered": (
        {"attribute": lambda f, t: write_string(f, t.replace("lf", "lf").replace("keep", "lf").encode())},
        "altered",
    ),
    "newer": ({"manifest": {"version": 2}}, "format version 2, this program reads up to 1; use a newer"),
    "splits without digests": ({"manifest": {"splits": SIZES}}, "one SHA-256 for each"),
    "negative size": ({"manifest": {"symbols": -1}}, "symbols -1, expected"),
    "boolean size": ({"manifest": {"symbols": True}}, "symbols True, expected"),
    "other kind": ({"manifest": {"kind": "pickles"}}, "kind pickles, expected one of"),
    "kind that does not fit": ({"manifest": {"kind": "words", "unknown": 3}}, "unknown symbol 3"),
    "missing field": ({"manifest": {"starts": None}}, "starts None"),
    "odd policy": ({"manifest": {"policy": {"encoding": "../x"}}}, "text policy"),
    "user block": ({"userblock_size": 512}, "not an HDF5 file"),
}


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
    with pytest.raises(CorpusError, match=r"fifo.h5: not a corpus: a FIFO, expected a file"):
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
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 150
    assert done.stderr == ""
