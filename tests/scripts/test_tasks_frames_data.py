"""Where the lines and the speech of `scripts/tasks` come from: pictures and recordings of digits, side by side."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from tasks_lib import lines, spoken, voices
from tasks_lib.lines import Line, Part, Pictures
from tasks_lib.packages import FetchError
from tasks_lib.sounds import read_sound, stretched, trimmed, write_sound


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty pictures: one with the number n has n in its first row from the left, and shows the digit n % 10."""
    monkeypatch.setattr(lines, "PARTS", {"train": Part(0, 30, 40), "valid": Part(30, 40, 3), "test": Part(40, 60, 5)})
    with gzip.open(tmp_path / "digits.csv.gz", "wt") as out:
        for number in range(60):
            points = np.zeros((8, 8), int)
            points[0] = np.arange(8) + number
            out.write(",".join(map(str, [*points.ravel(), number % 10])) + "\n")
    return tmp_path / "digits.csv.gz"


def test_a_line_is_its_pictures_column_by_column(table: Path):
    pictures = lines.read_pictures(table)
    assert pictures.points.shape == (60, 8, 8) and (pictures.digits == np.arange(60) % 10).all()
    frames = lines.frames_of(Line("34", [3, 14], [2, 0]), pictures.points)
    assert frames.dtype == np.float32 and frames.shape == (18, 8)
    assert (frames[:8, 0] * 16).tolist() == [*range(3, 11)] and (frames[10:, 0] * 16).tolist() == [*range(14, 22)]
    assert not frames[8:10].any() and not frames[:, 1:].any()


def test_lines_say_their_texts_with_pictures_of_their_split(table: Path):
    digits = lines.read_pictures(table).digits
    for split, (begin, end, count) in lines.PARTS.items():
        texts = list(lines.random_texts(split))
        assert len(texts) == count and {len(text) for text in texts} <= {3, 4, 5, 6, 7}
        found = list(lines.lines_of(texts, digits, split, "seed"))
        assert [line.text for line in found] == texts
        assert ["".join(str(digits[n]) for n in line.pictures) for line in found] == texts
        assert all(begin <= n < end for line in found for n in line.pictures)
        assert all(0 <= gap <= 2 for line in found for gap in line.gaps)
        assert found == list(lines.lines_of(texts, digits, split, "seed"))
    every = [gap for line in lines.lines_of(lines.random_texts("train"), digits, "train", "s") for gap in line.gaps]
    assert set(every) == {0, 1, 2}


def test_days_are_held_out():
    learnt, held = lines.days()
    assert len(held) == 1_000 and len({*learnt, *held}) == len(learnt) + 1_000 == 36_525
    assert min(learnt + held) == "19500101" and max(learnt + held) == "20491231"
    assert "20240229" in learnt + held and "20230229" not in learnt + held


def test_lines_are_written_with_the_list_of_them(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "HELD_OUT_DAYS", 4)
    found = lines.write_lines([table], tmp_path)
    assert {name: [*paths] for name, paths in found.items()} == {
        "": ["train", "valid", "test"],
        "dates": ["test"],
        "text": ["train"],
    }
    for listed, count in ((found[""]["train"], 40), (found[""]["test"], 5), (found["dates"]["test"], 4)):
        rows = [json.loads(line) for line in listed.read_text().splitlines()]
        assert len(rows) == count
        for row in rows:
            frames = np.load(listed.parent / row["frames"])
            begins = np.flatnonzero(frames.any(axis=1))
            assert len(begins) in range(7 * len(row["text"]), 8 * len(row["text"]) + 1)
    assert found["text"]["train"].read_text().splitlines() == lines.days()[0]


def test_the_nearest_picture_of_train_is_what_a_picture_shows(monkeypatch: pytest.MonkeyPatch):
    points = np.zeros((6, 8, 8), np.float32)
    points[:, 0, 0] = [0, 1, 0, 0.4, 0.6, 0.9]
    pictures = Pictures(points, np.array([7, 8, 9, 7, 7, 8]))
    monkeypatch.setattr(lines, "PARTS", {"train": Part(0, 3, 0)})
    assert lines.nearest_digits(pictures, [5, 3, 4, 3]) == {3: 7, 4: 8, 5: 8}


def test_the_nearest_pictures_are_scored_on_the_test_lines(table: Path, monkeypatch: pytest.MonkeyPatch):
    test = lines.test_lines(lines.read_pictures(table))
    monkeypatch.setattr(lines, "nearest_digits", lambda _, asked: {n: n % 10 if n < 50 else 3 for n in asked})
    wrong = [sum(n >= 50 and n % 10 != 3 for n in line.pictures) for line in test]
    assert sum(wrong) > 0
    scores = lines.nearest_scores([table])
    assert scores["cer"] == pytest.approx(sum(wrong) / sum(len(line.text) for line in test))
    assert scores["exact"] == pytest.approx(np.mean([not errors for errors in wrong]))


def tone(hertz: float, seconds: float, rate: int = 8_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def hertz_of(sound: np.ndarray, rate: int = 8_000) -> float:
    """The frequency that is strongest."""
    return float(np.abs(np.fft.rfft(sound)).argmax()) * rate / len(sound)


def test_sounds_are_written_stretched_and_trimmed(tmp_path: Path):
    sound = tone(440, 0.5)
    write_sound(tmp_path / "a.wav", sound, 8_000)
    read, rate = read_sound(tmp_path / "a.wav")
    assert rate == 8_000 and np.abs(read - sound).max() <= 0.5 / 32_768
    write_sound(tmp_path / "b.wav", np.array([3.0, -3.0, 1 - 1e-9]), 8_000)
    assert (read_sound(tmp_path / "b.wav")[0] * 32_768).tolist() == [32_767, -32_768, 32_767]
    for factor in (0.8, 1.25):
        slower = stretched(sound, factor)
        assert len(slower) == 4_000 * factor and np.abs(slower).max() == pytest.approx(0.5, rel=0.05)
        assert hertz_of(slower) == pytest.approx(440 / factor, abs=1)
    silent = np.zeros(100)
    assert len(trimmed(np.concatenate([silent, sound[1:-1], silent]))) == pytest.approx(len(sound), abs=4)


def test_strings_are_said_digit_by_digit(monkeypatch: pytest.MonkeyPatch):
    voice = [tone(300 + 200 * digit, 0.4) for digit in range(10)]
    monkeypatch.setattr(spoken, "NOISE", (80, 80))
    sound = spoken.spoken([2, 7, 0], voice, random.Random(1))
    loud = np.abs(sound) > 0.03
    edges = np.flatnonzero(np.diff(np.flatnonzero(loud)) > 300)
    places = np.split(np.flatnonzero(loud), edges + 1)
    heard = [hertz_of(sound[each[0] : each[-1]]) for each in places]
    assert len(heard) == 3
    for hertz, said in zip(heard, (700, 1700, 300), strict=True):
        assert said / 1.16 < hertz < said / 0.84
    monkeypatch.setattr(spoken, "NOISE", (10, 10))
    noisy = spoken.spoken([2, 7, 0], voice, random.Random(1)) - sound
    assert 10 * np.log10(np.square(sound).mean() / np.square(noisy).mean()) == pytest.approx(10, abs=0.3)


def test_strings_of_the_splits_have_draws_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spoken, "COUNTS", {"train": 3, "valid": 1, "test": 2})
    for digit in range(10):
        write_sound(tmp_path / f"{digit}.wav", tone(300, 0.1, 16_000), 16_000)
    (found,) = spoken.write_recorded([tmp_path / f"{digit}.wav" for digit in range(10)], tmp_path).values()
    sounds = []
    for split, listed in found.items():
        rows = [json.loads(line) for line in listed.read_text().splitlines()]
        assert len(rows) == spoken.COUNTS[split] and all(3 <= len(row["text"].split()) <= 7 for row in rows)
        read = [read_sound(tmp_path / row["frames"]) for row in rows]
        assert {rate for _, rate in read} == {8_000}
        sounds += [sound.tobytes() for sound, _ in read]
    assert len(set(sounds)) == 6


def test_voices_of_the_splits_are_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(voices, "HELD_OUT", {"test": 2, "valid": 1})
    monkeypatch.setattr(voices, "read_voice", lambda paths: paths[3])
    taken = {}
    monkeypatch.setattr(voices, "write_spoken", lambda of, _: taken.update(of))
    voices.write_voices([tmp_path / str(number) for number in range(9)], tmp_path)
    assert {split: len(each) for split, each in taken.items()} == {"train": 6, "valid": 1, "test": 2}
    assert {path for each in taken.values() for path in each} == {tmp_path / f"{n}/3.wav" for n in range(9)}
    assert len(set(voices.VOICES)) == len(voices.VOICES) == 64


def tools(folder: Path, monkeypatch: pytest.MonkeyPatch, unpack: str) -> None:
    """Stand for apt-get and dpkg-deb, alone in $PATH."""
    folder.mkdir()
    for name, script in (("apt-get", "echo >$3_1.deb"), ("dpkg-deb", unpack)):
        (folder / name).write_text(f"#!/bin/sh\nPATH={os.environ['PATH']}\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_recordings_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = "usr/share/asterisk/sounds/en/digits"
    tools(tmp_path / "bin", monkeypatch, f"mkdir -p {there}; for d in 0 1 2 9; do echo $d >{there}/$d.wav; done")
    found = spoken.fetch_sounds(tmp_path / "cache" / "sounds")
    assert [path.name for path in found] == [f"{digit}.wav" for digit in range(10)]
    assert found[2].read_text() == "2\n"
    monkeypatch.setenv("PATH", "")
    assert spoken.fetch_sounds(tmp_path / "cache" / "sounds") == found


def test_sounds_that_are_in_no_package_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tools(tmp_path / "bin", monkeypatch, "true")
    with pytest.raises(FetchError, match="asterisk-core-sounds-en-wav: there is no sound of 0 in it"):
        spoken.fetch_sounds(tmp_path / "sounds")
    with pytest.raises(FetchError, match="espeak-ng-data: it lacks what it is named after"):
        voices.fetch_voices(tmp_path / "voices")
    assert not (tmp_path / "sounds").exists() and not (tmp_path / "voices").exists()


def test_voices_say_the_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(voices, "VOICES", ("one", "two"))
    program = '#!/bin/sh\\necho "$LD_LIBRARY_PATH $1 $3 $6" >$5\\n'
    unpack = (
        f"mkdir -p usr/bin usr/lib/machine/espeak-ng-data; printf '{program}' >usr/bin/espeak-ng; chmod +x usr/bin/*"
    )
    tools(tmp_path / "bin", monkeypatch, unpack)
    folders = voices.fetch_voices(tmp_path / "cache" / "voices")
    assert [folder.name for folder in folders] == ["one", "two"]
    libraries, path, voice, digit = (folders[1] / "7.wav").read_text().split()
    assert (voice, digit) == ("en+two", "7")
    assert libraries.endswith("/usr/lib/machine") and path == f"--path={libraries}"
    assert voices.fetch_voices(tmp_path / "cache" / "voices") == folders
