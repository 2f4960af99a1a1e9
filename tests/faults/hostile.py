"""Corpus files that someone made by hand to do harm, and how each is refused."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.data.prepare import prepare
from gpurnn.exceptions import CorpusError


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
    "newer": ({"manifest": {"version": 3}}, "format version 3, this program reads up to 2; use a newer"),
    "of another version": ({"manifest": {"version": 2}}, "not exactly the fields columns, fingerprint"),
    "splits without digests": ({"manifest": {"splits": SIZES}}, "one SHA-256 for each"),
    "negative size": ({"manifest": {"symbols": -1}}, "symbols -1, expected"),
    "boolean size": ({"manifest": {"symbols": True}}, "symbols True, expected"),
    "other kind": ({"manifest": {"kind": "pickles"}}, "kind pickles, expected one of"),
    "kind that does not fit": ({"manifest": {"kind": "words", "unknown": 3}}, "unknown symbol 3"),
    "missing field": ({"manifest": {"starts": None}}, "starts None"),
    "odd policy": ({"manifest": {"policy": {"encoding": "../x"}}}, "text policy"),
    "user block": ({"userblock_size": 512}, "not an HDF5 file"),
}


SPECIAL = {
    "a FIFO": (lambda path: os.mkfifo(path), "a FIFO, expected a file"),
    "a folder": (lambda path: path.mkdir(), "a folder, expected a file"),
    "an empty file": (lambda path: path.write_bytes(b""), "an empty file"),
    "a signature and nothing more": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" * 20), "damaged"),
    "a shape that the file cannot hold": (lambda path: None, "bytes of data, the file has only"),
}
"""How to make each at a path, and the reason it is refused with."""


def refuse_all(scratch: str) -> dict[str, Any]:
    """Open every hostile file, and import it, in this process's working folder.

    Returns {"cases", "violations": each that was not refused with its reason in one line}.
    """
    os.chdir(scratch)
    Path("text.txt").write_text("To be, or not to be, that is the question.\n" * 500)
    prepare([Path("text.txt")], Path("good.h5"), split=(0.8, 0.1, 0.1), policy={"newline": "keep"})
    violations = []
    for name, (options, reason) in HOSTILE.items():
        path = forge(Path("good.h5"), Path("hostile.h5"), **options)
        violations += [f"{name}: {each}" for each in _accepts(path, reason)]
        path.unlink()
    for name, (make, reason) in SPECIAL.items():
        path = Path(f"{name}.h5")
        make(path)
        if not path.exists():
            fields = json.loads(h5py.File("good.h5").attrs["gpurnn"])
            fields["splits"]["train"]["tokens"] = 2**50
            forge(Path("good.h5"), path, manifest={"splits": fields["splits"]})
        violations += [f"{name}: {each}" for each in _accepts(path, reason)]
    from faults import hostilefields  # which forges with what is here

    names = [*hostilefields.FILES, *hostilefields.VALUES]
    for name in names:
        path, reason = hostilefields.make(Path(), name)
        violations += [f"{name}: {each}" for each in _accepts(path, reason)]
        path.unlink()
    return {"cases": len(HOSTILE) + len(SPECIAL) + len(names), "violations": violations}


def _read(path: Path) -> None:
    with Corpus.open(path) as corpus:
        corpus.verify()


def _accepts(path: Path, reason: str) -> list[str]:
    """What is wrong with how a file is refused, by the reader and by the import."""
    found = []
    for what, act in (
        ("open", _read),
        ("import", lambda path: import_corpus(path, Path("imported.h5"), force=True)),
    ):
        try:
            act(path)
        except CorpusError as error:
            if not re.search(reason, str(error)) or "\n" in str(error):
                found.append(f"{what}: {error}")
        else:
            found.append(f"{what}: not refused")
    return found
