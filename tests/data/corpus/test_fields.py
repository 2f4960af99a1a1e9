"""Corpora of every kind: what is written is what is read, also through the import of a stranger's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import EVERY, Made, columns

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.prepare import prepare
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream import WindowStream
from gpurnn.exceptions import DataError


def read(split: Any, name: str, count: int) -> Any:
    """A field of a split, whole, as it was given to be written."""
    if name == "tokens":
        out = np.empty(len(split), split.dtype)
        split.read(0, out)
    elif name == "reals":
        out = np.empty((len(split), split.inputs), np.float32)
        split.read_rows(0, out)
    elif name in ("documents", "source_documents"):
        out = np.empty(len(getattr(split, name)), np.uint64)
        getattr(split, name).read(0, out)
    elif name in ("keys", "starts"):
        out = getattr(split, name)()
        assert out.dtype == np.int64
    elif name == "vectors":
        out = np.empty((len(split.vectors), split.vectors.width), np.float32)
        split.vectors.read(0, out)
    elif name == "targets_offsets":
        out = split.target_strings(0, count - 1)
    else:
        indexes = getattr(split, name)
        out = np.empty(len(indexes), indexes.dtype)
        indexes.read(0, out)
    return out


def expect_all(path: Path, made: Made) -> None:
    """Everything that was to be written is there."""
    with Corpus.open(path) as corpus:
        corpus.verify()
        assert corpus.kind == made.kind
        for name in SPLITS:
            split, size = corpus.split(name), made.size(name)
            assert (len(split), len(split.documents)) == (size.steps, size.documents)
            assert corpus.splits[name] == size.steps
            with_own = split.independent()
            for what, values in made.splits.get(name, {}).items():
                for each in (split, with_own):
                    real = np.asarray(values).dtype.kind == "f"
                    assert np.array_equal(read(each, what, len(values)), values, equal_nan=real)
        tables = made.tables
        if tables.columns is not None:
            assert corpus.columns.to_json() == tables.columns.to_json()
            for name, array in tables.columns.to_arrays().items():
                assert np.array_equal(corpus.columns.to_arrays()[name], array, equal_nan=True)
        if tables.vocabulary is not None:
            assert corpus.vocabulary.fingerprint == tables.vocabulary.fingerprint
            assert corpus.policy == made.policy
            assert corpus.counts.tolist() == made.counts["vocabulary"]
        if tables.source is not None:
            assert corpus.source_vocabulary.fingerprint == tables.source.fingerprint
            assert corpus._counts("source_vocabulary", "").tolist() == made.counts["source_vocabulary"]
        if tables.keys is not None:
            assert corpus.key_names == tables.keys
        if tables.labels is not None:
            assert corpus.labels == tables.labels
            assert corpus.label_counts.tolist() == made.counts["labels"]
        if tables.strings is not None:
            assert corpus.strings.fingerprint == tables.strings.fingerprint
            assert corpus.labels == tuple(tables.strings.symbols)
            assert corpus.policy == made.policy
            assert corpus.label_counts.tolist() == made.counts["labels"]


@pytest.mark.parametrize("kind", EVERY)
def test_what_is_written_is_read_and_imported(kind: str, tmp_path: Path) -> None:
    made, path, copy = EVERY[kind](), tmp_path / "made.h5", tmp_path / "copy.h5"
    manifest = made.write(path)
    expect_all(path, made)
    assert import_corpus(path, copy) == manifest
    expect_all(copy, made)
    assert type(manifest).from_json(manifest.to_json().encode()) == manifest
    assert json.loads(manifest.to_json())["version"] == 2


def test_text_stays_version_1(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("to be or not to be " * 20)
    prepare([tmp_path / "x.txt"], tmp_path / "x.h5")
    manifest = import_corpus(tmp_path / "x.h5", tmp_path / "copy.h5")
    fields = json.loads(manifest.to_json())
    assert (fields["version"], fields["kind"], fields["symbols"], fields["starts"]) == (1, "chars", 7, 1)
    assert fields["splits"]["train"] == {"tokens": 342, "documents": 1}
    with Corpus.open(tmp_path / "x.h5") as corpus:
        assert corpus.manifest == manifest
        # over all that the file says; runs of before are resumed with it
        assert corpus.fingerprint == "63cbbe8531f70fa925110c59a3bd90d72b525a83b16e91e500ca827231676d86"


def test_a_part_of_a_split_is_read_by_itself(tmp_path: Path) -> None:
    made = EVERY["series"]()
    made.write(tmp_path / "x.h5")
    with Corpus.open(tmp_path / "x.h5") as corpus:
        split = corpus.split("train")
        out = np.full((7, 6), -1, np.float32)
        split.read_rows(11, out)
        assert np.array_equal(out, made.splits["train"]["reals"][11:18], equal_nan=True)
        assert split.keys(1, 2).tolist() == [0, 1]
        assert (split.starts(1, 2) == made.splits["train"]["starts"][1:]).all()
        assert split.documents.locate(13) == 2
        with pytest.raises(ValueError, match="rows of 6 float32"):
            split.read_rows(0, np.empty((7, 5), np.float32))
        with pytest.raises(IndexError):
            split.read_rows(len(split), np.empty((1, 6), np.float32))
        assert (corpus.targets("train"), corpus.targets("valid"), corpus.targets("test")) == (40, 0, 9)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("tags of symbols", 4), ("labels of symbols", 2), ("pairs", 6), ("captions", 6), ("frames", 5)],
)
def test_targets_are_counted_by_kind(kind: str, targets: int, tmp_path: Path) -> None:
    EVERY[kind]().write(tmp_path / "x.h5")
    with Corpus.open(tmp_path / "x.h5") as corpus:
        assert corpus.targets("train") == targets


@pytest.mark.parametrize("kind", EVERY)
def test_what_a_kind_does_not_have_is_one_line(kind: str, tmp_path: Path) -> None:
    EVERY[kind]().write(tmp_path / "x.h5")
    with Corpus.open(tmp_path / "x.h5") as corpus:
        split, lacking = corpus.split("train"), 0
        told = f"{tmp_path / 'x.h5'}: it holds {corpus.manifest.shape.called}, no "
        parts = ("vocabulary", "policy", "counts", "language", "columns", "key_names", "labels", "source_vocabulary")
        asked = [lambda name=name: getattr(corpus, name) for name in parts]
        asked += [split.keys, split.starts, lambda: split.targets, lambda: split.vectors, lambda: split.source]
        asked += [lambda: split.read(0, np.empty(1, "u1")), lambda: split.target_strings(0, 1)]
        for ask in asked:
            try:
                ask()
            except DataError as error:
                lacking += 1
                assert str(error).startswith(told)
        assert lacking >= 6


def test_windows_of_another_kind_are_one_line(tmp_path: Path) -> None:
    for kind, given, told in (
        ("series", {}, "it holds rows of numbers, no tokens; give the stream a forecast"),
        ("pairs", {"forecast": Forecast(columns("a"), ("a",), ("1h",))}, "it holds tokens, no rows of numbers"),
    ):
        EVERY[kind]().write(tmp_path / "x.h5")
        with Corpus.open(tmp_path / "x.h5") as corpus, pytest.raises(DataError, match=told):
            WindowStream(corpus, "train", lanes=1, steps=2, **given)
