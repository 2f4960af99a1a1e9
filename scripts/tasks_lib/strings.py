"""Random strings, to be copied or read backwards."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

SYMBOLS = "0123456789"
LONGEST = (10, 20, 40)
COUNTS = {"train": 200_000, "valid": 1_000, "test": 1_000}


def random_strings(longest: int, seed: str) -> dict[str, list[str]]:
    """Strings by split; their lengths are from 1 to `longest`, each as likely as the others.

    No string of valid or test is there twice, or in train. At most a tenth of the strings of one length are in these
    two, so that there are others of short ones to learn from.
    """
    rng = random.Random(seed)
    held, of_length = set[str](), Counter[int]()
    found: dict[str, list[str]] = {split: [] for split in COUNTS}
    for split in ("test", "valid", "train"):
        while len(found[split]) < COUNTS[split]:
            each = "".join(rng.choices(SYMBOLS, k=rng.randint(1, longest)))
            if each in held:
                continue
            if split != "train":
                if of_length[len(each)] >= len(SYMBOLS) ** (len(each) - 1):
                    continue
                of_length[len(each)] += 1
                held.add(each)
            found[split].append(each)
    return found


def write_strings(_: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Tables of strings and what is to become of them; "copy 10": copies of strings with 1 to 10 symbols."""
    found: dict[str, dict[str, Path]] = {}
    for longest in LONGEST:
        for way, step in (("copy", 1), ("reverse", -1)):
            name = f"{way} {longest}"
            found[name] = {}
            for split, strings in random_strings(longest, name).items():
                found[name][split] = path = folder / f"{name} {split}.tsv"
                path.write_text("".join(f"{each}\t{each[::step]}\n" for each in strings), "utf-8", newline="\n")
    return found
