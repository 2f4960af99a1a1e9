"""The labelled data of `scripts/tasks`: how tables are made out of what packages have, and the nearest recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tasks_lib.neighbour import nearest_labels, warped
from tasks_lib.news import sentences, write_sentences
from tasks_lib.recordings import Recording, read_recordings, write_recordings
from tasks_lib.tweets import write_tweets


def told(found: list[list[tuple[str, str]]]) -> list[str]:
    """Each sentence as its characters and its tags: o, or the type's letter, a capital where a name begins."""
    letters = {"O": "o"} | {f"{at}-{kind}": kind[0].lower() for at in "BI" for kind in ("PER", "LOC", "ORG")}
    tags = [[letters[tag].upper() if tag[0] == "B" else letters[tag] for _, tag in each] for each in found]
    return ["".join(c for c, _ in each) + " " + "".join(tag) for each, tag in zip(found, tags, strict=True)]


def test_names_in_the_news():
    lines = [
        "19980101-01/m  [中国/ns  政府/n]nt  江/nr  泽民/nr  说/v  。/w  在/p  上海/ns  北京/ns  ！/w\n",
        "\n",
        "完/v\n",
        "江/nr  ！/w  泽民/nr  /w  没有\n",
    ]
    assert told(list(sentences(lines))) == [
        "19980101-01中国政府江泽民说。 oooooooooooLlooPppoo",
        "在上海北京！ oLlLlo",
        "完 o",
        "江！ Po",
        "泽民 Pp",
    ]


def test_sentences_are_shuffled_into_splits(tmp_path: Path):
    (tmp_path / "news.txt").write_text("".join(f"{number}/m  江/nr\n" for number in range(100)))
    paths = write_sentences(tmp_path / "news.txt", tmp_path)
    parts = {name: path.read_text().split("\n\n")[:-1] for name, path in paths.items()}
    assert {name: len(part) for name, part in parts.items()} == {"train": 80, "valid": 10, "test": 10}
    every = [sentence for part in parts.values() for sentence in part]
    expected = ["".join(f"{digit}\tO\n" for digit in str(number)) + "江\tB-PER" for number in range(100)]
    assert sorted(every) == sorted(expected) and every != expected


def test_a_tweet_that_is_there_twice_is_taken_once(tmp_path: Path):
    rows = [f'neutral,0.5,"a {number}\n b"\n' for number in range(10)]
    table = ["sentiment,confidence,text\n", *rows, "positive,0.9,a 3\n b \n", "positive,0.9, \n"]
    table[-2] = 'positive,0.9,"a 3\n b "\n'
    (tmp_path / "tweets.csv").write_text("".join(table))
    paths = write_tweets(tmp_path / "tweets.csv", tmp_path)
    lines = {name: path.read_text().splitlines() for name, path in paths.items()}
    assert {name: len(part) for name, part in lines.items()} == {"train": 8, "valid": 1, "test": 1}
    assert sorted(line for part in lines.values() for line in part) == [
        f"neutral\ta {number} b" for number in range(10)
    ]


@pytest.fixture
def archive(tmp_path: Path) -> list[Path]:
    """A file of training and one of test, of two columns and of several lengths."""
    paths = [tmp_path / "train.ts", tmp_path / "test.ts"]
    for path, count in zip(paths, (7, 2), strict=True):
        lines = [f"{number},{number}.5,1:0,1,2:up" for number in range(count)]
        path.write_text("\n".join(["#told", "@problemName x", "", "@data", *lines, "1,2,3,-4.25:5,6,7,8:down"]))
    return paths


def test_recordings_become_rows(archive: list[Path], tmp_path: Path):
    *_, last = read_recordings(archive[0])
    assert last.label == "down" and last.values.tolist() == [[1, 5], [2, 6], [3, 7], [-4.25, 8]]
    paths = write_recordings(archive, tmp_path)
    rows = {name: path.read_text().splitlines() for name, path in paths.items()}
    assert {name: len({row.split(",")[0] for row in part[1:]}) for name, part in rows.items()} == {
        "train": 6,
        "valid": 2,
        "test": 3,
    }
    assert rows["test"][:2] == ["recording,c1,c2,label", "test0,0.0,0.0,up"]
    assert rows["test"][-1] == "test2,-4.25,8.0,down"


def path_by_path(a: np.ndarray, b: np.ndarray) -> float:
    """The least sum of squared distances over all paths of steps that go on in one, the other or both."""
    here = float(np.square(a[0] - b[0]).sum())
    if len(a) == len(b) == 1:
        return here
    nexts = [(a[1:], b[1:]), (a[1:], b), (a, b[1:])]
    return here + min(path_by_path(x, y) for x, y in nexts if len(x) and len(y))


def test_warped_distances_are_those_of_the_best_path():
    rng = np.random.default_rng(1)
    references = [rng.normal(size=(n, 2)) for n in (1, 4, 6)]
    asked = rng.normal(size=(5, 2))
    expected = [path_by_path(asked, each) for each in references]
    assert warped(asked, references) == pytest.approx(expected, rel=1e-12)


def test_a_late_recording_has_the_label_of_its_kind():
    wave = np.concatenate([np.zeros(3), np.hanning(9), np.zeros(8)])[:, None] * [1, 100]
    flat = np.tile([0.3, 30.0], (20, 1))
    known = [Recording(flat, "flat"), Recording(wave, "wave")]
    late, flat_too = Recording(wave[::-1], "wave"), Recording(flat[:7] + 0.01, "flat")
    assert nearest_labels(known, [late, flat_too]) == ["wave", "flat"]
