"""People's Daily of January 1998, tagged by word, as sentences of characters with tags of names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tasks_lib.tables import write_splits

_NAMES = {"nr": "PER", "ns": "LOC", "nt": "ORG"}
_ENDS = "。！？；"
Sentence = list[tuple[str, str]]


def sentences(lines: Iterable[str]) -> Iterator[Sentence]:
    """Characters, each with O, B-TYPE or I-TYPE. Words that follow one another as persons are one name."""
    for line in lines:
        found: Sentence = []
        for word, kind in _words(line):
            person = kind == "PER" and bool(found) and found[-1][1].endswith("PER")
            for place, character in enumerate(word):
                within = place > 0 or person
                found.append((character, "O" if kind is None else f"{'I' if within else 'B'}-{kind}"))
        yield from _cut(found)


def _words(line: str) -> Iterator[tuple[str, str | None]]:
    """Each word of a line and what kind of name it is; brackets of names of several words are left out."""
    for token in line.split():
        word, slash, tag = token.rpartition("/")
        if slash:
            yield word.lstrip("["), _NAMES.get(tag.partition("]")[0])


def _cut(characters: Sentence) -> Iterator[Sentence]:
    begin = 0
    for place, (character, _) in enumerate(characters, 1):
        if character in _ENDS or place == len(characters):
            yield characters[begin:place]
            begin = place


def write_sentences(source: Path, folder: Path) -> Mapping[str, Path]:
    """Tables of a character and its tag a line, those of the splits."""
    with source.open(encoding="utf-8", errors="replace") as lines:
        found = ["".join(f"{character}\t{tag}\n" for character, tag in each) + "\n" for each in sentences(lines)]
    return write_splits(folder, found)
