"""From tables of series to corpora with a label a key or a tag a row, held against the tables by plain Python."""

import csv
import datetime as dt
import io
import itertools
import math
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.order import permutation
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series import rows as rows_of_tables
from gpurnn.data.series.options import series_options
from gpurnn.data.stream.labelled import labelled_stream
from gpurnn.exceptions import DataError, UsageError

NAN = math.nan
ALL = {"split": (1, 0, 0)}
Document = tuple[list[tuple[float, ...]], str | list[str]]
"""Rows, and a label or a tag for each."""


class Made:
    """What became of tables. documents: of each split, in order."""

    def __init__(self, report) -> None:
        self.report = report
        with Corpus.open(report) as corpus:
            corpus.verify()
            self.kind, self.labels, self.columns = corpus.kind, corpus.labels, corpus.columns
            self.counts = dict(zip(corpus.labels, corpus.label_counts.tolist(), strict=True))
            self.keys = None if corpus.manifest.keys is None else corpus.key_names
            self.documents = {name: self._documents(corpus, name) for name in corpus.splits}

    def _documents(self, corpus: Corpus, name: str) -> list[Document]:
        split = corpus.split(name)
        if not len(split):
            return []
        rows = np.empty((len(split), split.inputs), np.float32)
        split.read_rows(0, rows)
        starts = np.empty(len(split.documents), np.uint64)
        split.documents.read(0, starts)
        targets = np.empty(len(split.targets), split.targets.dtype)
        split.targets.read(0, targets)
        names = [self.labels[i] for i in targets.tolist()]
        parts = [list(map(tuple, part.tolist())) for part in np.split(rows, starts[1:].astype(int))]
        if self.kind == "labels":
            return list(zip(parts, names, strict=True))
        tags = iter(names)
        return [(part, list(itertools.islice(tags, len(part)))) for part in parts]


@pytest.fixture
def made(tmp_path: Path):
    """made(what, text or texts, **options): what `prepare_series` made of tables with these texts."""

    def make(what, *texts: str, valid: str = "", test: str = "", **options) -> Made:
        named = {f"t{number}.csv": text for number, text in enumerate(texts)} | {"valid": valid, "test": test}
        for name, text in named.items():
            (tmp_path / name).write_text(text)
        others = {name: [tmp_path / name] for name in ("valid", "test") if named[name]}
        chosen = series_options(what=what, files=bool(others), **options)
        files = [tmp_path / name for name in list(named)[:-2]]
        try:
            return Made(prepare_series(files, tmp_path / "made.h5", chosen, force=True, **others))
        finally:
            assert {path.name for path in tmp_path.iterdir()} - set(named) <= {"made.h5", "first.h5"}

    return make


def same(found: list[Document], expected: list[Document]) -> None:
    assert [target for _, target in found] == [target for _, target in expected]
    for (mine, _), (theirs, _) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.array(mine, np.float32), np.array(theirs, np.float32))


def number(cell: str) -> float:
    return NAN if cell == "" else float(cell)


def recordings(count: int, seed: int = 0) -> str:
    """Recordings of movements, their rows mixed with those of others; some numbers are missing."""
    draw = random.Random(seed)
    rows = [(f"r{k}", step) for k in range(count) for step in range(draw.randint(1, 9))]
    draw.shuffle(rows)
    lines = ["recording,x,gesture,y"]
    for key, step in rows:
        x, y = f"{draw.gauss(5, 2):.3f}", "" if draw.random() < 0.2 else f"{step + draw.random():.2f}"
        lines.append(f"{key},{x},{('wave', 'nod', 'shake')[int(key[1:]) % 3]},{y}")
    return "\n".join([*lines, ""])


def by_recording(text: str) -> list[Document]:
    """Its documents, in the order in which their keys came."""
    found: dict[str, Document] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row["recording"], ([], row["gesture"]))[0].append((number(row["x"]), number(row["y"])))
    return list(found.values())


def test_a_key_has_a_label_and_keys_are_shuffled_into_splits(made, monkeypatch):
    monkeypatch.setattr(rows_of_tables, "RUN_BYTES", 1000)  # so that rows are sorted on the disk
    text = recordings(60)
    options = {"key": "recording", "target": "gesture", "split": (0.7, 0.1, 0.2), "seed": 5}
    found = made("labels", text, **options)
    documents = by_recording(text)
    shuffled = [documents[i] for i in permutation(60, 5)]
    splits = {"train": shuffled[:42], "valid": shuffled[42:48], "test": shuffled[48:]}
    for name, expected in splits.items():
        same(found.documents[name], expected)
        assert found.report.splits[name].documents == len(expected)
        counts = Counter(label for _, label in expected)
        assert {label: each[name] for label, each in found.report.labels.items()} == {
            label: counts[label] for label in found.labels
        }
    assert found.kind == "labels" and found.labels == ("nod", "shake", "wave") and found.keys is None
    assert found.counts == Counter(label for _, label in splits["train"])
    train = np.array([row for rows, _ in splits["train"] for row in rows])
    assert found.columns.names == ("x", "y") and (found.columns.time, found.columns.key) == ((), "recording")
    np.testing.assert_allclose(found.columns.mean, np.nanmean(train.astype(np.float32), 0), rtol=1e-6)
    np.testing.assert_allclose(found.columns.scale, np.nanstd(train.astype(np.float32), 0), rtol=1e-6)
    assert found.report.longest == max(len(rows) for rows, _ in documents)
    assert (found.report.begin, found.columns.interval, found.columns.season) == (None, 1, 1)
    again, other = made("labels", text, **options), made("labels", text, **options | {"seed": 6})
    assert again.report.fingerprint == found.report.fingerprint != other.report.fingerprint
    cut = text.index("\n", len(text) // 2) + 1
    in_two = made("labels", text[:cut], text[: text.index("\n") + 1] + text[cut:], **options)
    assert in_two.report.fingerprint == found.report.fingerprint
    told = str(found.report)
    assert "2 columns, 60 series (" in told and "in the order of the rows" in told and "longest   stretch" in told
    assert "labels    3: nod 20, shake 20, wave 20" in told and "columns   x, y" in told and "every" not in told


def stamp(minute: int) -> str:
    return (dt.datetime(2024, 5, 1) + dt.timedelta(minutes=minute)).isoformat()


def machines(minutes: dict[str, list[int]], seed: int = 1) -> str:
    """What machines did in these minutes."""
    draw = random.Random(seed)
    lines = ["at;machine;load;state"]
    for machine, times in minutes.items():
        for minute in times:
            state = "run" if (minute + len(machine)) // 7 % 2 else "stand"
            lines.append(f"{stamp(minute)};{machine};{draw.random():.3f};{state}")
    return "\n".join([*lines, ""])


GAPS = {"a": [*range(40), *range(42, 80), *range(95, 100)], "bb": [*range(3, 60), *range(63, 100)]}


def on_a_grid(text: str, fill: int) -> dict[str, list[tuple[int, float, str]]]:
    """By stretch, minute, load and tag of each row, rows that fill gaps among them."""
    found: dict[str, list[tuple[int, float, str]]] = {}
    stretch = ""
    for row in csv.DictReader(io.StringIO(text), delimiter=";"):
        minute = int((dt.datetime.fromisoformat(row["at"]) - dt.datetime(2024, 5, 1)).total_seconds()) // 60
        if not stretch.startswith(row["machine"]) or minute - found[stretch][-1][0] > fill + 1:
            stretch = f"{row['machine']} {minute}"
            found[stretch] = []
        mine = found[stretch]
        while mine and mine[-1][0] < minute - 1:
            mine.append((mine[-1][0] + 1, NAN, mine[-1][2]))
        mine.append((minute, float(row["load"]), row["state"]))
    return found


def test_tags_are_split_by_time_and_a_filled_gap_has_the_tag_before(made):
    text = machines(GAPS)
    options = {"time": "at", "key": "machine", "target": "state", "split": (0.5, 0.2, 0.3)}
    found = made("tags", text, **options)
    stretches = on_a_grid(text, 3)
    assert len(stretches) == 3 and sum(map(len, stretches.values())) == 80 + 5 + 97
    for name, low, high in (("train", 0, 50), ("valid", 50, 70), ("test", 70, 100)):
        expected = []
        for rows in stretches.values():
            part = [row for row in rows if low <= row[0] < high]
            if part:
                expected.append(([(load,) for _, load, _ in part], [tag for *_, tag in part]))
        same(found.documents[name], expected)
        tags = Counter(tag for _, each in expected for tag in each)
        assert {tag: counts[name] for tag, counts in found.report.labels.items()} == tags
    assert found.kind == "tags" and found.keys == ("a", "bb") and found.labels == ("run", "stand")
    assert found.counts == Counter(tag for _, each in found.documents["train"] for tag in each)
    assert "2 of up to 3 rows filled, with the tag of the row before" in str(found.report)
    assert made("tags", text, **options).report.fingerprint == found.report.fingerprint
    turned = "\n".join([*text.split("\n")[:1], *text.split("\n")[:0:-1][1:], ""])
    assert made("tags", turned, **options).report.fingerprint == found.report.fingerprint


def test_a_long_gap_begins_a_sequence_with_the_label_of_its_key(made):
    text = "at,id,v,label\n" + "".join(f"{stamp(m)},x,{m},A\n{stamp(m)},y,{m * 2},B\n" for m in (0, 1, 2, 4, 9, 10))
    found = made("labels", text, time="at", key="id", fill=1, **ALL)
    parts = {"A": [[0, 1, 2, NAN, 4], [9, 10]], "B": [[0, 2, 4, NAN, 8], [18, 20]]}
    order = ["AB"[i] for i in permutation(2, 0)]
    same(found.documents["train"], [([(v,) for v in part], label) for label in order for part in parts[label]])
    assert found.counts == {"A": 2, "B": 2} and set(found.keys) == {"x", "y"}
    coarse = made("labels", text, time="at", key="id", every="2min", fill=1, **ALL)
    parts = {"A": [[0, 2, 4], [10]], "B": [[0, 4, 8], [20]]}
    same(coarse.documents["train"], [([(v,) for v in part], label) for label in order for part in parts[label]])


def test_tags_without_a_time_are_split_by_the_order_of_all_rows(made):
    rows = [("ab"[i // 7 % 2], i, "up" if i % 5 < 3 else "down") for i in range(100)]
    text = "id,n,tag\n" + "".join(f"{key},{n},{tag}\n" for key, n, tag in rows)
    found = made("tags", text, key="id", split=(0.6, 0.1, 0.3))
    for name, low, high in (("train", 0, 60), ("valid", 60, 70), ("test", 70, 100)):
        mine = [[row for row in rows[low:high] if row[0] == key] for key in "ab"]
        same(found.documents[name], [([(n,) for _, n, _ in part], [tag for *_, tag in part]) for part in mine])
    alone = made("tags", text, columns="n", split=(0.6, 0.1, 0.3))
    same(alone.documents["test"], [([(n,) for _, n, _ in rows[70:]], [tag for *_, tag in rows[70:]])])


def test_splits_may_be_files_whose_keys_have_the_same_names(made):
    texts = [recordings(count, seed) for seed, count in enumerate((30, 9, 12))]
    options = {"key": "recording", "target": "gesture", "seed": 4}
    found = made("labels", texts[0], valid=texts[1], test=texts[2], **options)
    train, *others = map(by_recording, texts)
    same(found.documents["train"], [train[i] for i in permutation(30, 4)])
    same(found.documents["valid"], others[0])
    same(found.documents["test"], others[1])
    assert found.counts == Counter(label for _, label in train)
    rows = np.array([row for rows, _ in train for row in rows], np.float32)
    np.testing.assert_allclose(found.columns.mean, np.nanmean(rows, 0), rtol=1e-6)
    without = made("labels", texts[0], test=texts[2], **options)
    same(without.documents["test"], others[1])
    assert without.documents["valid"] == []
    with pytest.raises(
        DataError, match=r"test, line 2: the label 'wink' is in other splits alone, .*; leave it out there$"
    ):
        made("labels", texts[0], test="recording,x,y,gesture\nq,1,2,wink\n", **options)
    with pytest.raises(UsageError, match="`split` contradicts `valid` and `test`"):
        made("labels", texts[0], test=texts[2], split=(1, 0, 0), **options)


def test_tags_of_files_stay_in_their_splits(made):
    texts = [machines({"bb": [*range(30)], "a": [*range(low, 30 + low)]}, low) for low in (1, 9)]
    options = {"time": "at", "key": "machine", "target": "state"}
    found = made("tags", texts[0], test=texts[1], **options)
    for name, text in zip(("train", "test"), texts, strict=True):
        stretches = sorted(on_a_grid(text, 3).items())
        same(found.documents[name], [([(v,) for _, v, _ in rows], [tag for *_, tag in rows]) for _, rows in stretches])
    assert found.keys == ("a", "bb") and found.report.keys == ["a", "bb"]


def test_labels_may_be_numbers_and_columns_too(made):
    found = made("labels", "1,0.5,2\n1,0.25,2\n2,4,10\n", key="1", target=3, columns="2", **ALL)
    by_label = {label: rows for rows, label in found.documents["train"]}
    assert by_label == {"2": [(0.5,), (0.25,)], "10": [(4.0,)]} and found.labels == ("10", "2")
    found = made("labels", "a,label,v\n1, 0 ,5\n2,1,6\n", key="a", **ALL)
    assert found.columns.names == ("v",) and found.labels == ("0", "1")


def test_another_corpus_gives_scaling_and_labels(made, tmp_path: Path):
    first = made("labels", recordings(30), key="recording", target="gesture", **ALL)
    (tmp_path / "made.h5").rename(tmp_path / "first.h5")
    known = {"columns_from": first.columns, "labels": first.labels, "target": "gesture"}
    text = "recording,gesture,y,x\nq,nod,1,2\nq,nod,,3\n"
    found = made("labels", text, **known)
    assert found.documents["train"] == found.documents["valid"] == []
    same(found.documents["test"], [([(2, 1), (3, NAN)], "nod")])
    assert found.labels == first.labels and found.counts == {"nod": 0, "shake": 0, "wave": 0}
    np.testing.assert_array_equal(found.columns.mean, first.columns.mean)
    with pytest.raises(DataError, match=r"t0\.csv, line 2: the label 'jump' is not among those of `columns_from`$"):
        made("labels", text.replace("nod", "jump"), **known)
    with pytest.raises(UsageError, match=r"^what `columns_from` names has no labels; name a corpus or run of labels"):
        made("labels", text, columns_from=first.columns, target="gesture")


SKIPPED = "id,v,label\na,1,X\nb,2,\nb,3,Y\nTotal,,\n"


def test_bad_rows_are_skipped_where_that_is_asked_for(made):
    found = made("labels", SKIPPED, key="id", bad_rows="skip", **ALL)
    assert sorted(found.documents["train"]) == [([(1,)], "X"), ([(3,)], "Y")]
    assert found.report.left.rows == 2
    assert found.report.left.first.endswith("t0.csv, line 3, column label: '' is no label")


REFUSED = [
    ("labels", SKIPPED, {}, r"t0\.csv, line 3, column label: '' is no label; correct the row or leave it out, or give"),
    (
        "labels",
        '\nid,v,label,"a\nb"\na,1,X,\n\nid,v,label,"a\nb"\nb,2,Y,"c\n\nd"\nb,2,Y,\na,1,Z,\n',
        {"columns": "v"},
        r"t0\.csv, line 12: 'a' has the label 'Z', in .*t0\.csv, line 4 it has 'X'; all rows of a `key` have one label",
    ),
    ("labels", "id,v,label\na,1,X\nb,2,X\n", {}, "^there is one label alone, 'X'; is it the right `label_column`"),
    ("tags", "v,tag\n1,X\n2,X\n", {"key": ""}, "^there is one tag alone, 'X'; is it the right `tag_column`"),
    ("labels", "id,v,what\na,1,X\n", {}, r"t0\.csv: there is no column 'label' for `label_column`; its columns are"),
    ("tags", "id,v,label\na,1,X\n", {}, r"t0\.csv: there is no column 'tag' for `tag_column`"),
    ("labels", "id,v,w\na,1,X\n", {"target": "w2"}, "there is no column 'w2' for `label_column`; did you mean w\\?"),
    (
        "tags",
        "v,tag\n" + "1,X\n2,Y\n" * 5 + "3,Z\n",
        {"key": "", "split": (0.5, 0, 0.5)},
        r"t0\.csv, line 12: the tag 'Z' is in other splits alone, train has none of it; leave it out, or give another "
        "`split`",
    ),
    (
        "labels",
        "id,v,label\n" + "".join(f"{i},1,{'XY'[i % 2]}\n{i},2,{'XY'[i % 2]}\n" for i in range(9)) + "9,5,Z\n",
        {"split": (0.1, 0, 0.9)},
        r"the label '[XYZ]' is in other splits alone, train has none of it; leave it out, or give another `seed`$",
    ),
    ("labels", 'id,v,label\na,1,"X\nY"\n', {}, r"line 2: the label 'X\\nY' has a tab or a line end; is it the right"),
    ("labels", "id,label\na,X\n", {}, r"t0\.csv: no column is numbers; name some with `columns`$"),
    ("labels", "id,v,label\na,1\n", {}, r"t0\.csv, line 2: it has 2 cells, expected 3"),
    ("labels", "id,v,label\na,x,X\na,1,X\n", {"columns": "v"}, r"line 2, column v: 'x' is no number"),
    ("labels", "id,v,label\n", {}, r"no column is numbers|no rows but its header"),
    ("labels", "", {}, r"t0\.csv: the table is empty$"),
    (
        "labels",
        "id,t,v,label\na,0.02,1,X\n",
        {"time": "t"},
        r"line 2, column t: '0\.02' is no time \(without `time` rows are steps in their order\); correct the row or",
    ),
]


@pytest.mark.parametrize(("what", "text", "options", "message"), REFUSED)
def test_what_cannot_be_made_is_said_in_one_line(made, what, text: str, options: dict, message: str):
    with pytest.raises(DataError, match=message) as error:
        made(what, text, **{"key": "id", **ALL} | options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("labels", {}, "`labels` of `series` are of keys; give `key`"),
        (None, {}, "`series` needs to know the column of the time"),
        ("labels", {"key": "id", "target": "id"}, "the column 'id' is asked for twice"),
        ("tags", {"target": "v", "columns": "v"}, "the column 'v' is asked for twice"),
        ("tags", {"clock": True}, "`clock` is about the time of rows; give `time`, too"),
        ("tags", {"every": "1min"}, "`every` is about the time of rows"),
        ("tags", {"fill": 0}, "`fill` is about the time of rows"),
        ("tags", {"seed": 3}, "`seed=3`: series with `tags` are split by time, nothing is shuffled"),
        ("tags", {"target": " "}, "`tag_column` is empty"),
        ("labels", {"key": "id", "seed": -1}, "`seed`: expected 0 or more"),
        ("tags", {"target": 2.5}, "`tag_column`: expected names of columns, found 2.5"),
    ],
)
def test_wrong_calls(what, options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        series_options(what=what, **options)


@pytest.mark.parametrize("layout", ["whole", "through"])
@pytest.mark.parametrize("what", ["labels", "tags"])
def test_windows_have_what_the_table_says(made, tmp_path: Path, what, layout: str):
    text = recordings(40, seed=3)
    documents = by_recording(text)
    if what == "tags":
        found = made("tags", text, key="recording", target="gesture", **ALL)
        documents = [(rows, [label] * len(rows)) for rows, label in documents]
    else:
        found = made("labels", text, key="recording", target="gesture", **ALL)
    every = np.array([row for rows, _ in documents for row in rows], np.float32).astype(np.float64)
    left = Counter(_shown(rows, target, np.nanmean(every, 0), np.nanstd(every, 0)) for rows, target in documents)
    lanes = 3 if layout == "whole" else 1
    with Corpus.open(tmp_path / "made.h5") as corpus:
        windows = list(labelled_stream(corpus, layout=layout, lanes=lanes, steps=16, epochs=1))
    if layout == "through":  # in one lane the windows follow each other
        windows = [_joined(windows)]
    for window in windows:
        for lane in range(lanes):
            ends = [*np.flatnonzero(window.carry[:, lane] == 0).tolist(), len(window.carry)]
            for begin, end in itertools.pairwise(ends):
                weights = window.weight[begin:end, lane].tolist()
                if not any(weights):
                    continue  # what is left over
                assert weights == ([0] * (end - begin - 1) + [1] if what == "labels" else [1] * (end - begin))
                names = [found.labels[i] for i in window.targets[begin:end, lane].tolist()]
                rows = window.reals[begin:end, lane].astype(np.float64)
                left[_rounded(rows), names[-1] if what == "labels" else str(names)] -= 1
    assert set(left.values()) == {0}


class _Joined(NamedTuple):
    carry: np.ndarray
    weight: np.ndarray
    targets: np.ndarray
    reals: np.ndarray


def _joined(windows: list) -> _Joined:
    return _Joined(*(np.concatenate([getattr(window, name) for window in windows]) for name in _Joined._fields))


def _shown(rows, target, mean, scale) -> tuple[str, str]:
    """A document as windows have it: scaled, and 0 where a number is missing."""
    scaled = np.nan_to_num((np.array(rows, np.float32).astype(np.float64) - mean) / scale)
    return _rounded(scaled), str(target)


def _rounded(rows: np.ndarray) -> str:
    return str((np.round(rows, 2) + 0.0).tolist())
