"""Digits that are said one after the other, faster and slower, louder and softer, with noise."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tasks_lib.debian import unpack
from tasks_lib.digits import WORDS
from tasks_lib.packages import CACHE, FetchError
from tasks_lib.sounds import Sound, read_sound, stretched, trimmed, write_sound

PACKAGE = "asterisk-core-sounds-en-wav"
RATE = 8_000
"""Samples a second of what is written."""
COUNTS = {"train": 2_000, "valid": 200, "test": 300}
"""Strings; those of each split have draws of their own."""
SHORTEST, LONGEST = 3, 7
"""Digits of a string, each length as likely as the others."""
SLOWNESS = 0.85, 1.15
"""A digit takes so many times as long, and is as much lower."""
LOUDNESS = -6.0, 6.0
"""Of a digit, in decibels."""
GAP = 0.05, 0.3
"""Seconds before, between and after the digits."""
NOISE = 10.0, 30.0
"""Decibels by which white noise is softer than the mean of a string."""
_PEAK = 0.2
"""The loudest sample of a digit at 0 decibels."""

Voice = Sequence[Sound]
"""The digits 0 to 9, RATE samples a second."""


def fetch_sounds(folder: Path = CACHE / "sounds") -> list[Path]:
    """Recordings of the digits 0 to 9, fetched by apt once, in `folder`. Raises FetchError."""
    names = [f"{digit}.wav" for digit in range(10)]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as name:
            unpack(PACKAGE, Path(name))
            found = sorted(Path(name).glob("usr/share/asterisk/sounds/*/digits/0.wav"))
            if not found:
                raise FetchError(f"{PACKAGE}: there is no sound of 0 in it")
            found[0].parent.replace(folder)
    return [folder / each for each in names]


def read_voice(paths: Sequence[Path]) -> Voice:
    """The digits of a voice, without what is quiet before and after them, equally loud."""
    digits = []
    for path in paths:
        sound, rate = read_sound(path)
        sound = trimmed(stretched(sound, RATE / rate))
        digits.append(sound * (_PEAK / np.abs(sound).max()))
    return digits


def spoken(digits: Sequence[int], voice: Voice, rng: random.Random) -> Sound:
    """Those digits, said by a voice."""
    parts = [_silence(rng)]
    for digit in digits:
        loudness = 10 ** (rng.uniform(*LOUDNESS) / 20)
        parts += [stretched(voice[digit], rng.uniform(*SLOWNESS)) * loudness, _silence(rng)]
    sound = np.concatenate(parts)
    noise = np.random.default_rng(rng.getrandbits(64)).normal(size=len(sound))
    return sound + noise * np.sqrt(np.square(sound).mean()) * 10 ** (-rng.uniform(*NOISE) / 20)


def _silence(rng: random.Random) -> Sound:
    return np.zeros(round(RATE * rng.uniform(*GAP)))


def write_spoken(voices: Mapping[str, Sequence[Voice]], folder: Path) -> Mapping[str, Path]:
    """Lists of strings, a .wav file each, said by a voice of the split, each as likely as the others."""
    found = {}
    for split, count in COUNTS.items():
        rng = random.Random(f"digits of {split}")
        (folder / split).mkdir()
        found[split] = folder / f"{split}.jsonl"
        with found[split].open("w", encoding="ascii", newline="\n") as out:
            for number in range(count):
                digits = rng.choices(range(10), k=rng.randint(SHORTEST, LONGEST))
                name = f"{split}/{number:04}.wav"
                write_sound(folder / name, spoken(digits, rng.choice(voices[split]), rng), RATE)
                out.write(json.dumps({"frames": name, "text": " ".join(WORDS[each] for each in digits)}) + "\n")
    return found


def write_recorded(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Strings of the recordings: one speaker, and the same ten recordings in all splits."""
    voices = [read_voice(sources)]
    return {"": write_spoken(dict.fromkeys(COUNTS, voices), folder)}
