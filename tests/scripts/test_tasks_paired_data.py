"""Where the pairs and captions of `scripts/tasks` come from: dictionaries, catalogues, random strings, pictures."""

from __future__ import annotations

import gettext
import gzip
import io
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tasks_lib import catalogues, digits, pronunciation, strings
from tasks_lib.catalogues import fetch_catalogues, read_catalogue, write_translations
from tasks_lib.packages import FetchError

_DICTIONARY = """'bout B AW1 T
a.m. EY2 EH1 M
aalborg AO1 L B AO0 R G # place, danish
read R EH1 D
read(2) R IY1 D
café K AE0 F EY1
"""


def test_a_dictionary_gives_words_of_letters_once(tmp_path: Path):
    (tmp_path / "dict").write_text(_DICTIONARY, encoding="utf-8")
    assert list(pronunciation.read_dictionary(tmp_path / "dict")) == [
        ("'bout", "B AW T"),
        ("aalborg", "AO L B AO R G"),
        ("read", "R EH D"),
    ]


def test_words_are_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pronunciation, "HELD_OUT", {"test": 3, "valid": 2})
    letters = "abcdefghijkl"
    (tmp_path / "dict").write_text("".join(f"{letter} {letter.upper()}1\n" for letter in letters))
    (paths,) = pronunciation.write_pronunciations([tmp_path / "dict"], tmp_path).values()
    lines = {split: path.read_text().splitlines() for split, path in paths.items()}
    assert {split: len(found) for split, found in lines.items()} == {"test": 3, "valid": 2, "train": 7}
    every = [line for found in lines.values() for line in found]
    assert sorted(every) == [f"{letter}\t{letter.upper()}" for letter in letters] != every


def catalogue(order: str, texts: dict[str, str]) -> bytes:
    """A .mo file."""
    both = [[each.encode() for each in pair] for pair in sorted(texts.items())]
    begin, tables, data = 28 + 16 * len(both), b"", b""
    for side in (0, 1):
        for pair in both:
            tables += struct.pack(f"{order}2I", len(pair[side]), begin + len(data))
            data += pair[side] + b"\0"
    head = struct.pack(f"{order}7I", 0x950412DE, 0, len(both), 28, 28 + 8 * len(both), 0, 0)
    return head + tables + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_catalogue_is_read_as_gettext_reads_it(order: str, tmp_path: Path):
    header = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n"
    texts = {"": header, "_Open": "Ö_ffnen", "menu\x04Open": "Auf", "%d file\0%d files": "%d Datei\0%d Dateien"}
    (tmp_path / "a.mo").write_bytes(catalogue(order, texts))
    found = list(read_catalogue(tmp_path / "a.mo"))
    reader = gettext.GNUTranslations(io.BytesIO((tmp_path / "a.mo").read_bytes()))
    wanted = [
        ("%d file", reader.ngettext("%d file", "%d files", 1)),
        ("Open", reader.pgettext("menu", "Open")),
        ("_Open", reader.gettext("_Open")),
    ]
    assert sorted(found) == [("", header), *wanted]


def test_texts_of_one_line_become_pairs_and_those_of_one_text_stay_together(tmp_path: Path):
    texts = {f"text {number}": f"Text {number}" for number in range(30)}
    texts |= {"two\nlines": "zwei", "blank": " ", "_Save  &as": "_Speichern  &unter\n"}
    other = {f"text {number}": f"Satz {number}" for number in range(30)}
    for name, each in (("a.mo", texts), ("b.mo", other)):
        (tmp_path / name).write_bytes(catalogue("<", each))
    (paths,) = write_translations([tmp_path / "a.mo", tmp_path / "b.mo"], tmp_path).values()
    lines = {split: [line.split("\t") for line in path.read_text().splitlines()] for split, path in paths.items()}
    every = sorted(tuple(line) for found in lines.values() for line in found)
    kept = [*texts.items()][:30]
    assert every == sorted([*kept, *other.items(), ("Save as", "Speichern unter")])
    sources = [{source for source, _ in found} for found in lines.values()]
    assert all(sources) and sum(map(len, sources)) == 31


def tools(folder: Path, monkeypatch: pytest.MonkeyPatch, apt: str) -> None:
    """Stand for apt-get and dpkg-deb, alone in $PATH."""
    unpack = "mkdir -p usr/share/locale/de/LC_MESSAGES; cp $2 usr/share/locale/de/LC_MESSAGES/$(basename $2 .deb).mo"
    folder.mkdir()
    for name, script in (("apt-get", apt), ("dpkg-deb", unpack)):
        (folder / name).write_text(f"#!/bin/sh\nPATH={os.environ['PATH']}\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_catalogues_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogues, "PACKAGES", ("one", "two"))
    tools(tmp_path / "bin", monkeypatch, f"echo $3 >>{tmp_path}/asked; echo of $3 >$3_1.deb")
    for _ in range(2):
        found = fetch_catalogues("de", tmp_path / "cache")
        assert [(each.name, each.read_text()) for each in found] == [("one_1.mo", "of one\n"), ("two_1.mo", "of two\n")]
    assert (tmp_path / "asked").read_text() == "one\ntwo\n"
    assert sorted(each.name for each in (tmp_path / "cache").iterdir()) == ["one-de", "two-de"]


@pytest.mark.parametrize(
    ("apt", "said"),
    [
        ("echo 'E: no such thing' >&2; exit 100", "apt-get download --quiet one: E: no such thing"),
        ("exit 0", "one: there is no catalogue of de in it"),
        (None, "apt-get: .*No such file"),
    ],
)
def test_catalogues_that_cannot_be_had_are_told(
    apt: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(catalogues, "PACKAGES", ("one",))
    if apt is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        tools(tmp_path / "bin", monkeypatch, apt)
    with pytest.raises(FetchError, match=said):
        fetch_catalogues("de", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_held_out_strings_are_new_and_of_all_lengths(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(strings, "COUNTS", {"train": 3000, "valid": 200, "test": 300})
    found = strings.random_strings(4, "seed")
    assert {split: len(each) for split, each in found.items()} == strings.COUNTS
    held = found["valid"] + found["test"]
    assert len(set(held)) == len(held) and not set(held) & set(found["train"])
    lengths = Counter(map(len, held))
    assert lengths[1] == 1 and lengths[2] == 10 and lengths[3] == 100 and lengths[4] == 389
    assert all(600 < count < 900 for count in Counter(map(len, found["train"])).values())


def test_strings_are_copied_or_read_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(strings, "COUNTS", {"train": 50, "valid": 2, "test": 3})
    found = strings.write_strings([], tmp_path)
    assert list(found) == ["copy 10", "reverse 10", "copy 20", "reverse 20", "copy 40", "reverse 40"]
    for name, paths in found.items():
        for split, path in paths.items():
            lines = [line.split("\t") for line in path.read_text().splitlines()]
            assert len(lines) == strings.COUNTS[split]
            assert all(target == (source if "copy" in name else source[::-1]) for source, target in lines)
            assert max(len(source) for source, _ in lines) <= int(name.split()[1])


def test_pictures_stand_as_their_words_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digits, "HELD_OUT", {"test": 4, "valid": 2})
    with gzip.open(tmp_path / "digits.csv.gz", "wt") as out:
        out.writelines(f"{number % 10},16,{number % 10}\n" for number in range(20))
    (paths,) = digits.write_digits([tmp_path / "digits.csv.gz"], tmp_path).values()
    words = [paths[split].read_text().split() for split in ("train", "valid", "test")]
    assert list(map(len, words)) == [14, 2, 4]
    vectors = np.load(paths["vectors"])
    assert vectors.dtype == np.float32 and (vectors[:, 1] == 1).all()
    numbers = (16 * vectors[:, 0]).astype(int).tolist()
    assert [digits.WORDS[number] for number in numbers] == [word for each in words for word in each]
    assert numbers != sorted(numbers)
