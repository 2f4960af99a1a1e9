"""Small data of every kind of task: files to learn from, one to be asked about, and what is right of that.

Each function writes `train`, with an ending that suits it, and `asked` into a folder, and gives what is right of asked.
"""

from __future__ import annotations

import json
import random
import wave
from pathlib import Path

import numpy as np


def text(_: random.Random, folder: Path) -> list[str]:
    """The same sentence over and over."""
    (folder / "train.txt").write_text("the cat sat. " * 300)
    return list("cat sat. the cat")


def series(_: random.Random, folder: Path) -> list[str]:
    """A wave of twelve rows; right is where it stands three rows later, rounded, and nothing for the last three."""
    wave = [round(10 * np.sin(hour * np.pi / 6), 3) for hour in range(480)]
    rows = [f"2020-01-{1 + hour // 24:02}T{hour % 24:02}:00:00Z,{x}\n" for hour, x in enumerate(wave)]
    for name, first in (("train.csv", 0), ("asked", 400)):
        (folder / name).write_text("when,x\n" + "".join(rows[first:]))
    return [str(round(10 * np.sin((hour + 3) * np.pi / 6))) for hour in range(400, 480)]


def brackets(rng: random.Random, folder: Path) -> list[str]:
    """Symbols, and of each whether it is in brackets."""
    right = list[str]()
    for name, documents, count in (("train.tsv", 30, 100), ("asked", 1, 60)):
        rows = []
        for _ in range(documents):
            inside = False
            for _ in range(count):
                symbol = rng.choices(")ab" if inside else "(ab", (2, 3, 3))[0]
                right.append("in" if inside or symbol == "(" else "out")
                rows.append(f"{symbol}\t{right[-1]}\n")
                inside = symbol == "(" or (inside and symbol != ")")
            rows.append("\n")
        (folder / name).write_text("".join(rows))
    return right[-60:]


def machine(rng: random.Random, folder: Path) -> list[str]:
    """The power that a machine takes, with noise, and what it does for a while: it is off, idles or runs."""
    right = list[str]()
    for name, keys, count in (("train.csv", "abcdefgh", 300), ("asked", "z", 80)):
        rows = ["of,power,state\n"]
        for key in keys:
            states = list[str]()
            while len(states) < count:
                states += [rng.choice(["off", "idle", "runs"])] * rng.randint(6, 15)
            power = {"off": 0, "idle": 3, "runs": 8}
            right += states[:count]
            rows += [f"{key},{rng.gauss(power[state], 1):.3f},{state}\n" for state in states[:count]]
        (folder / name).write_text("".join(rows))
    return right[-80:]


def posts(rng: random.Random, folder: Path) -> list[str]:
    """Texts that are good if "good" stands in them, and bad if "bad" does."""
    found = []
    for _ in range(300):
        words, label = rng.choices(["the", "food", "is", "was"], k=rng.randint(1, 6)), rng.choice(["good", "bad"])
        words.insert(rng.randint(0, len(words)), label)
        found.append((label.upper(), " ".join(words)))
    (folder / "train.tsv").write_text("".join(f"{label}\t{words}\n" for label, words in found[:250]))
    (folder / "asked").write_text("".join(f"{words}\n" for _, words in found[250:]))
    return [label for label, _ in found[250:]]


def ways(rng: random.Random, folder: Path) -> list[str]:
    """Measurements that go up or down; right is which, for each row."""
    for name, count in (("train.csv", 120), ("asked", 30)):
        rows, right = ["of,x,way\n"], list[str]()
        for number in range(count):
            way = rng.choice([-1, 1])
            values = np.cumsum([way * 0.5 + rng.gauss(0, 0.3) for _ in range(rng.randint(8, 16))])
            right += ["up" if way > 0 else "down"] * len(values)
            rows += [f"s{number},{value:.3f},{right[-1]}\n" for value in values]
        (folder / name).write_text("".join(rows))
    return right


def sentences(rng: random.Random, folder: Path) -> list[str]:
    """A word after "Mr" is a name, and so is one before "said"."""
    for name, count in (("train.tsv", 250), ("asked", 50)):
        lines, right = list[str](), list[str]()
        for _ in range(count):
            for _ in range(rng.randint(1, 4)):
                word = rng.choice(["tea", "stone", "Reed", "Wood"])
                two = rng.choice(
                    [(("Mr", "O"), (word, "B-PER")), ((word, "B-PER"), ("said", "O")), ((word, "O"), (",", "O"))]
                )
                lines += [f"{each}\t{tag}\n" for each, tag in two]
                right += [tag for _, tag in two]
            lines.append("\n")
        (folder / name).write_text("".join(lines))
    return right


def capitals(rng: random.Random, folder: Path) -> list[str]:
    """Texts, and the same in capitals."""
    texts = ["".join(rng.choices("abcd", k=rng.randint(1, 4))) for _ in range(400)]
    (folder / "train.tsv").write_text("".join(f"{each}\t{each.upper()}\n" for each in texts[:370]))
    (folder / "asked").write_text("".join(f"{each}\n" for each in texts[370:]))
    return [each.upper() for each in texts[370:]]


def sides(rng: random.Random, folder: Path) -> list[str]:
    """Two numbers, and which of them is larger."""
    vectors = np.array([[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(330)], np.float32)
    words = ["left" if a > b else "right" for a, b in vectors]
    (folder / "train.txt").write_text("".join(f"{word}\n" for word in words[:300]))
    np.save(folder / "vectors.npy", vectors[:300])
    np.save(folder / "asked.npy", vectors[300:])
    return words[300:]


def letters(rng: random.Random, folder: Path) -> list[str]:
    """Arrays in which a letter is two or three frames of its own, with noise; a frame of nothing follows."""
    right = list[str]()
    for name, count in (("train.jsonl", 200), ("asked", 40)):
        listed = []
        for number in range(count):
            text = "".join(rng.choices("abc", k=rng.randint(1, 4)))
            rows = [
                [rng.gauss(float(kind == letter), 0.2) for kind in "abc"]
                for letter in text
                for letter in (*[letter] * rng.randint(2, 3), " ")
            ]
            path = f"{name}{number}.npy"
            np.save(folder / path, np.array(rows, np.float32))
            listed.append(json.dumps({"frames": path, "text": text}) if name != "asked" else path)
            right.append(text)
        (folder / name).write_text("".join(f"{line}\n" for line in listed))
    return right[-40:]


def tones(rng: random.Random, folder: Path) -> list[str]:
    """Recordings of tones, low, middle and high ones, with silence between them."""
    right = list[str]()
    for name, count in (("train.tsv", 60), ("asked", 15)):
        listed = []
        for number in range(count):
            words = rng.choices(["low", "mid", "high"], k=rng.randint(1, 3))
            parts = [np.zeros(300)]
            for word in words:
                hertz = {"low": 300, "mid": 800, "high": 2000}[word]
                parts += [np.sin(np.arange(rng.randint(600, 900)) * hertz * 2 * np.pi / 8000), np.zeros(400)]
            sound = np.concatenate(parts) + np.array([rng.gauss(0, 0.01) for _ in range(sum(map(len, parts)))])
            path = f"{name}{number}.wav"
            with wave.open(str(folder / path), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((sound * 8000).astype("<i2").tobytes())
            listed.append(f"{path}\t{' '.join(words)}" if name != "asked" else path)
            right.append(" ".join(words))
        (folder / name).write_text("".join(f"{line}\n" for line in listed))
    return right[-15:]
