"""How English words are said, out of a pronouncing dictionary."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HELD_OUT = {"test": 10_000, "valid": 2_000}
"""Words of these splits; the others are learnt from."""
_WORD = re.compile("[a-z']+")


def read_dictionary(path: Path) -> Iterator[tuple[str, str]]:
    """Words and their sounds, parted by one space.

    The dictionary has a word and its sounds in each line, and perhaps a comment that begins with #. Of it are left out
    other ways to say a word, as "read(2)" is one, and words with more in them than the letters a to z and apostrophes;
    of a sound the digit that says how much it is stressed.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *sounds = line.partition("#")[0].split()
        if _WORD.fullmatch(word):
            yield word, " ".join(sound.rstrip("012") for sound in sounds)


def write_pronunciations(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Tables of words and their sounds, those of the splits, shuffled."""
    words = list(read_dictionary(sources[0]))
    random.Random(0).shuffle(words)
    paths = {}
    for split, count in (HELD_OUT | {"train": len(words)}).items():
        taken, words = words[:count], words[count:]
        paths[split] = folder / f"{split}.tsv"
        paths[split].write_text("".join(f"{word}\t{sounds}\n" for word, sounds in taken), "utf-8", newline="\n")
    return {"": paths}
