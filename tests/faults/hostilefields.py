"""Corpora of version 2 that someone made by hand to do harm, and how each is refused."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from corpora import EVERY
from h5py import h5d, h5p, h5s, h5t

from faults.hostile import as_type, compound, external_link, forge, opaque, with_options, write_plain

FAR = 253_402_300_799
"""The last second of the year 9999, since 1970."""


def forge_values(good: Path, path: Path, changed: dict[str, Any]) -> Path:
    """A copy with other values in some datasets, and digests that fit them: a function of the old ones, or the new."""
    with h5py.File(good) as file:
        fields = json.loads(file.attrs["gpurnn"])
        values = {name: new(file[name][:]) if callable(new) else np.asarray(new) for name, new in changed.items()}
    digests = fields["sha256"] | {name: hashlib.sha256(new.tobytes()).hexdigest() for name, new in values.items()}
    writing = {name: partial(write_new, new) for name, new in values.items()}
    return forge(good, path, datasets=writing, manifest={"sha256": digests})


def write_new(new, group, name, old):
    write_plain(group, name, new)


def at(place, value):
    """The values with another one at a place."""

    def change(values):
        values[place] = value
        return values

    return change


def typed(kind):
    def write(group, name, values):
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_chunk(values.shape)
        h5d.create(group.id, name.encode(), kind, h5s.create_simple(values.shape), properties)

    return write


def other_float():
    """Four bytes, little-endian, with another bias of the exponent."""
    kind = h5t.IEEE_F32LE.copy()
    kind.set_ebias(100)
    return kind


def said(**changes):
    """Options of `forge`: a manifest with some fields changed, of those that are dictionaries only the given keys."""
    return {"said": changes}


VALUES = {
    "an infinite number": ("series", {"reals/train": at(100, np.inf)}, "an infinite number in or after row 0"),
    "a negative infinite number": ("series", {"reals/test": at(3, -np.inf)}, "split test has an infinite number"),
    "a key without a name": ("series", {"keys/train": at(2, 2)}, "a key 2 at or after 0, the list of names ends at 1"),
    "keys that fall": ("series", {"keys/train": at(0, 1)}, "document 1 of split train is not after the one before"),
    "a stretch before the one before": (
        "series",
        {"starts/train": lambda v: v[[1, 0, 2]]},
        "document 1 of split train is not after",
    ),
    "stretches that overlap": ("series", {"starts/train": at(1, 1_357_000_000)}, "document 1 of split train is not"),
    "a time that is none": ("series", {"starts/train": at(0, -(2**62))}, "a time that is none; expected times of the"),
    "a time after all times": ("series", {"starts/train": at(2, 2**62)}, "a time that is none"),
    "an end after all times": ("series", {"starts/test": at(1, FAR)}, "split test ends after the year 9999"),
    "documents that fall": ("series", {"documents/train": at(1, 30)}, "documents of split train are not in order"),
    "documents from 1": ("series", {"documents/test": at(0, 1)}, "documents of split test are not in order"),
    "documents beyond the end": ("series", {"documents/train": at(2, 2**60)}, "documents of split train are not in"),
    "a mean that is none": ("series", {"columns/mean": at(0, np.nan)}, "a finite mean of column 'temp'"),
    "an infinite mean": ("series", {"columns/mean": at(1, -np.inf)}, "a finite mean of column 'wind °'"),
    "a mean beyond float32": ("series", {"columns/mean": at(1, 1e300)}, "a finite mean of column 'wind °'"),
    "a scale of 0": ("series", {"columns/scale": at(0, 0)}, "a finite scale above 0 of column 'temp'"),
    "a scale below float32": ("series", {"columns/scale": at(0, 1e-300)}, "a finite scale above 0"),
    "a negative scale": ("series", {"columns/scale": at(0, -1)}, "a finite scale above 0"),
    "an infinite scale": ("series", {"columns/scale": at(0, np.inf)}, "a finite scale above 0"),
    "a scale that is none": ("series", {"columns/scale": at(0, np.nan)}, "a finite scale above 0"),
    "a scaled clock": ("series", {"columns/scale": at(5, 2)}, "expected the clock's"),
    "a negative season's error": ("series", {"columns/season_error": at(0, -1)}, "an error >= 0 of column 'temp'"),
    "an infinite season's error": ("series", {"columns/season_error": at(1, np.inf)}, "an error >= 0"),
    "a column twice": ("series", {"columns/bytes": lambda v: v[[0] * len(v)]}, "is there twice|expected the clock's"),
    "a column without a name": ("series", {"columns/offsets": at(1, 0)}, "names: expected texts"),
    "a column that is not UTF-8": ("series", {"columns/bytes": at(1, 255)}, "columns: one is not UTF-8"),
    "a key that is not UTF-8": ("series", {"key_names/bytes": at(0, 0x80)}, "key names: one is not UTF-8"),
    "offsets of keys that fall": ("series", {"key_names/offsets": at(1, 99)}, "key names: the offsets do not rise"),
    "a tag without a name": ("tags of symbols", {"targets/train": at(1, 3)}, "a label 3 at or after 0, the list of"),
    "a label without a name": ("labels of symbols", {"targets/train": at(0, 300)}, "a label 300 at or after 0"),
    "a symbol without a name": ("captions", {"tokens/train": at(0, 3)}, "a token 3 at or after 0, the vocabulary ends"),
    "a symbol of the source without one": (
        "pairs",
        {"source/train": at(0, 3)},
        "a token of the source 3 at or after 0",
    ),
    "sources that fall": ("pairs", {"source_documents/train": at(1, 0)}, "documents of the source of split train are"),
    "a source beyond the end": ("pairs", {"source_documents/train": at(1, 5)}, "documents of the source of split tra"),
    "an infinite vector": ("captions", {"vectors/train": at(5, np.inf)}, "an infinite number in or after row 0"),
    "a vector that is none": ("captions", {"vectors/train": at(7, np.nan)}, "a missing number in or after row 0"),
    "strings that fall": ("frames", {"targets_offsets/train": at(1, 4)}, "strings of labels are not in order"),
    "strings beyond the end": ("frames", {"targets_offsets/train": at(3, 6)}, "strings of labels are not in order"),
    "strings that end early": (
        "frames",
        {"targets_offsets/train": at(3, 4)},
        "strings of labels of split train end at 4",
    ),
    "strings that begin late": ("frames", {"targets_offsets/train": at(0, 1)}, "do not begin with 0"),
    "a string far below 0": ("frames", {"targets_offsets/train": at(0, 2**63)}, "strings of labels are not in order"),
    "a label's name twice": ("frames", {"labels/bytes": at(0, ord("t"))}, "vocabulary: a symbol is there twice"),
    "a label that is no character": ("frames", {"labels/offsets": at(1, 0)}, "vocabulary: entry 0, '', is not one of"),
    "frames of no file": ("frames", {"keys/train": at(0, 4)}, "a key 4 at or after 0, the list of names ends at 3"),
}
"""The kind of corpus, what is changed under digests that fit, and why it is refused."""

FILES = {
    "reals of the other order": ({"datasets": {"reals/train": as_type(">f4")}}, "floating-point numbers of 4 bytes of"),
    "half reals": ({"datasets": {"reals/train": as_type("<f2")}}, "floating-point numbers of 2 bytes of another kind"),
    "double reals": (
        {"datasets": {"reals/train": as_type("<f8")}},
        "numbers of 8 bytes of another kind, expected IEEE",
    ),
    "reals of another form": ({"datasets": {"reals/train": typed(other_float())}}, "floating-point numbers of 4 bytes"),
    "whole numbers for reals": ({"datasets": {"reals/train": typed(h5t.STD_I32LE)}}, "integers, expected IEEE"),
    "opaque reals": ({"datasets": {"reals/train": typed(opaque())}}, "an opaque type, expected IEEE"),
    "compound reals": ({"datasets": {"reals/train": typed(compound())}}, "a compound type, expected IEEE"),
    "references for means": ({"datasets": {"columns/mean": typed(h5t.STD_REF_OBJ)}}, "references to objects"),
    "single means": ({"datasets": {"columns/mean": as_type("<f4")}}, "numbers of 4 bytes of another kind"),
    "unsigned times": ({"datasets": {"starts/train": as_type("<u8")}}, "expected signed little-endian ones of 8"),
    "times of the other order": ({"datasets": {"starts/train": as_type(">i8")}}, "expected signed little-endian ones"),
    "signed keys": ({"datasets": {"keys/train": as_type("i1")}}, "expected unsigned little-endian ones of 1"),
    "reals in another file": ({"datasets": {"reals/train": external_link}}, "reals/train is an external link"),
    "reals in rows": (
        {"datasets": {"reals/train": lambda g, n, v: g.create_dataset(n, data=v.reshape(-1, 6), chunks=(40, 6))}},
        "not an array of one dimension",
    ),
    "packed reals": ({"datasets": {"reals/train": with_options(compression="gzip")}}, "the filter 1, expected none"),
    "no names of keys": ({"datasets": {"key_names/bytes": None}}, "key_names holds 1 objects"),
    "targets besides": ({"change": lambda f: f.create_dataset("targets/train", data=[1])}, "group / holds 7 objects"),
    "a vocabulary besides": (
        said(vocabulary={"count": 1, "bytes": 1, "tokens": "chars", "unknown": None}),
        "its manifest has a vocabulary, which is not so of measured series",
    ),
    "another kind": (said(kind="tags"), "no labels, which is not so of sequences with a tag a step"),
    "a kind of text": (said(kind="chars"), "kind chars, expected one of series, labels"),
    "no kind": (said(kind=None), "kind None, expected one of"),
    "no columns": (said(columns=None), "no columns"),
    "no keys": (said(keys=None), "no keys"),
    "labels besides": (said(labels={"count": 1, "bytes": 1}), "its manifest has labels"),
    "vectors besides": (said(vectors=3), "its manifest has vectors"),
    "a policy besides": (said(policy={"encoding": "utf-8"}), "text policy"),
    "too many columns": (said(columns={"count": 2**40}), "count of columns 1099511627776, expected"),
    "columns of no bytes": (said(columns={"bytes": -1}), "bytes of columns -1"),
    "columns that are no part": (said(columns=[]), "does not say about, bytes, count of columns"),
    "keys that are no part": (said(keys=[]), "does not say bytes, count of keys"),
    "about nothing": (said(columns={"about": [1]}), "does not say clock, fill, form, interval, key, season, time"),
    "more rows than the file": (said(splits={"train": {"steps": 2**50}}), "bytes of data, the file has only"),
    "more documents than rows": (said(splits={"train": {"documents": 41}}), "documents of train 41, expected"),
    "rows without documents": (said(splits={"train": {"documents": 0}}), "documents of train 0, expected"),
    "a source of series": (said(splits={"train": {"source": 3}}), "of split train what measured series cannot have"),
    "strings of series": (said(splits={"valid": {"strings": 3}}), "of split valid what measured series cannot have"),
    "steps that are text": (said(splits={"train": {"steps": "40"}}), "steps of train 40, expected a whole number"),
    "an unknown version": (said(version=3), "format version 3, this program reads up to 2"),
    "a version of text": (said(version=1), "not exactly the fields"),
}
FILES |= {
    f"{name} {value!s:.20}": (said(columns={"about": {name: value}}), reason)
    for name, value, reason in [
        ("interval", 0, "interval: expected a whole number from 1"),
        ("interval", 2**70, "interval: expected a whole number from 1"),
        ("interval", 3600.5, "interval: expected a whole number"),
        ("interval", True, "interval: expected a whole number"),
        ("season", -1, "season: expected a whole number"),
        ("fill", None, "fill: expected a whole number"),
        ("time", "date", "time: expected texts"),
        ("time", ["a", "a"], "time: 'a' is there twice"),
        ("key", 5, "key or clock is not what it has to be"),
        ("key", "\udc00", "key and form are not JSON"),
        ("clock", "yes", "key or clock is not what it has to be"),
        ("form", [], "form: expected names and values"),
        ("form", {"x": float("nan")}, "key and form are not JSON"),
    ]
}
"""Options of `forge` for a corpus of series, and why the file is refused when it is opened."""


def merged(old: Any, new: Any) -> Any:
    """A part of a manifest with some of it replaced."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {name: merged(old.get(name), value) for name, value in new.items()}


def make(folder: Path, name: str) -> tuple[Path, str]:
    """A hostile file in a folder, and why it is refused."""
    kind = VALUES[name][0] if name in VALUES else "series"
    good, path = folder / f"{kind}.h5", folder / "hostile.h5"
    if not good.exists():
        EVERY[kind]().write(good)
    if name in VALUES:
        return forge_values(good, path, VALUES[name][1]), VALUES[name][2]
    options, reason = FILES[name]
    if "said" in options:
        with h5py.File(good) as file:
            fields = json.loads(file.attrs["gpurnn"])
        options = {"manifest": {key: merged(fields[key], value) for key, value in options["said"].items()}}
    return forge(good, path, **options), reason
