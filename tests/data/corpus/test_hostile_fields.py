"""Hostile corpora of version 2: each is refused with its reason in one line, also by the import."""

from pathlib import Path

import numpy as np
import pytest
from corpora import EVERY
from faults.hostilefields import FILES, VALUES, forge_values, make

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.exceptions import CorpusError


def look(path: Path, opened: bool) -> None:
    with Corpus.open(path) as corpus:
        assert opened, "it was not refused when it was opened"
        corpus.verify()


def expect_refused(path: Path, reason: str, *, opened: bool) -> None:
    with pytest.raises(CorpusError, match=reason) as caught:
        look(path, opened)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)) and len(message) < 400 + len(str(path))


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_when_it_is_opened(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    expect_refused(*make(tmp_path, name), opened=False)


@pytest.mark.parametrize("name", VALUES)
def test_hostile_values_are_refused_at_the_latest_when_they_are_verified(name: str, tmp_path: Path):
    expect_refused(*make(tmp_path, name), opened=True)


@pytest.mark.parametrize("name", ["an infinite number", "keys that fall", "a scale of 0", "double reals", "no columns"])
def test_the_import_refuses_them_too(name: str, tmp_path: Path):
    path, reason = make(tmp_path, name)
    with pytest.raises(CorpusError, match=reason) as caught:
        import_corpus(path, tmp_path / "copy.h5")
    assert str(caught.value).startswith(f"{path}: ")
    assert not (tmp_path / "copy.h5").exists()


@pytest.mark.parametrize("kind", EVERY)
def test_the_forger_makes_good_files_too(kind: str, tmp_path: Path):
    EVERY[kind]().write(tmp_path / "good.h5")
    with Corpus.open(tmp_path / "good.h5") as good:
        names = {name: (lambda values: values) for name in good.manifest.datasets()}
        with Corpus.open(forge_values(tmp_path / "good.h5", tmp_path / "copy.h5", names)) as copy:
            copy.verify()
            assert copy.manifest == good.manifest


def test_whoever_reads_without_verifying_meets_the_same_errors(tmp_path: Path):
    path, _ = make(tmp_path, "an infinite number")
    with Corpus.open(path) as corpus:
        split = corpus.split("train")
        split.read_rows(0, np.empty((16, 6), np.float32))  # the number is in row 16
        with pytest.raises(CorpusError, match=r"split train has an infinite number in or after row 10"):
            split.read_rows(10, np.empty((7, 6), np.float32))
    for name, read, reason in (
        ("a key without a name", lambda split: split.keys(), "a key 2"),
        ("a time that is none", lambda split: split.starts(), "a time that is none"),
        ("strings that fall", lambda split: split.target_strings(0, 3), "not in order"),
    ):
        with Corpus.open(make(tmp_path, name)[0]) as corpus, pytest.raises(CorpusError, match=reason):
            read(corpus.split("train"))


def test_every_truncation_is_refused(tmp_path: Path):
    EVERY["series"](4000).write(tmp_path / "good.h5")
    whole = (tmp_path / "good.h5").read_bytes()
    for size in [*range(0, 4096, 97), *range(4096, len(whole), 4001), len(whole) - 1]:
        (tmp_path / "good.h5").write_bytes(whole[:size])
        with pytest.raises(CorpusError):
            Corpus.open(tmp_path / "good.h5")
