"""From lists of files with texts to a corpus of frames: values, order, splits, scaling, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.options import frame_options
from gpurnn.data.frames.report import FramesReport
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.order import permutation
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.prepare_frames import prepare_frames
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.exceptions import DataError, UsageError

ALL = {"split": (1, 0, 0)}
SETTINGS = ("policy", "vocab_from", "stdin", "progress", "output")
TEXTS = ["ab", "Éa b", "bb", "a", "cab", "b c", "abab"]
Lines = Sequence[tuple[str, str]]


def frames_of(number: int, width: int = 3) -> np.ndarray:
    """Frames that no other file has; their second number is always 7."""
    found = np.random.default_rng(number).normal(number, 2, (9 + number, width)).astype("<f4")
    found[:, 1] = 7
    return found


def lines(folder: Path, texts: Sequence[str] = TEXTS, first: int = 0, width: int = 3) -> list[tuple[str, str]]:
    """Files and their texts."""
    found = []
    for number, text in enumerate(texts, first):
        np.save(folder / f"{number}.npy", frames_of(number, width))
        found.append((f"{number}.npy", text))
    return found


def jsonl(entries: Lines, path: str = "frames", text: str = "text") -> str:
    return "".join(json.dumps({path: name, "duration": 1.5, text: said}) + "\n" for name, said in entries)


def made(folder: Path, content: str | bytes, name: str = "list.jsonl", **given: Any) -> FramesReport:
    """What becomes of a list, and of those for `valid` and `test`, which are given by their content, too."""
    settings = {each: given.pop(each) for each in SETTINGS if each in given}
    files = {}
    for each, text in (("inputs", content), ("valid", given.pop("valid", None)), ("test", given.pop("test", None))):
        path = folder / (name if each == "inputs" else f"{each}-{name}")
        files[each] = []
        if text is not None:
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            files[each] = [path]
    options = frame_options(files=bool(files["valid"] or files["test"]), **given)
    output = folder / settings.pop("output", "made.h5")
    return prepare_frames(output=output, options=options, force=True, **files, **settings)


class Held:
    """What a corpus holds. sequences: by split, of each its file's name, its frames, and its text."""

    def __init__(self, path: Any) -> None:
        with Corpus.open(path) as corpus:
            corpus.verify()
            self.meaning = Transcription.of(corpus)
            self.columns = corpus.columns
            self.counts = dict(zip(corpus.labels, corpus.label_counts.tolist(), strict=True))
            self.sequences = {name: list(self._read(corpus, name)) for name in corpus.splits if corpus.splits[name]}

    def _read(self, corpus: Corpus, name: str) -> Any:
        split = corpus.split(name)
        starts = np.empty(len(split.documents), np.uint64)
        split.documents.read(0, starts)
        edges, strings = [*starts.tolist(), len(split)], split.target_strings(0, len(starts)).tolist()
        keys = split.keys().tolist()
        for number, key in enumerate(keys):
            frames = np.empty((edges[number + 1] - edges[number], split.inputs), np.float32)
            split.read_rows(edges[number], frames)
            labels = np.empty(strings[number + 1] - strings[number], split.targets.dtype)
            split.targets.read(strings[number], labels)
            yield Path(corpus.key_names[key]).name, frames, self.meaning.text_of(labels.tolist())

    @property
    def texts(self) -> dict[str, list[tuple[str, str]]]:
        return {name: [(path, text) for path, _, text in found] for name, found in self.sequences.items()}


def shuffled(entries: Lines, seed: int = 0) -> list[tuple[str, str]]:
    return [entries[i] for i in permutation(len(entries), seed).tolist()]


def test_a_corpus_holds_every_file_once_with_its_text(tmp_path: Path) -> None:
    entries = lines(tmp_path)
    report = made(tmp_path, jsonl(entries), split=(4 / 7, 1 / 7, 2 / 7), seed=3)
    held, order = Held(report), shuffled(entries, 3)
    assert held.texts == {"train": order[:4], "valid": order[4:5], "test": order[5:]}
    for found in held.sequences.values():
        for name, frames, _ in found:
            assert np.array_equal(frames, frames_of(int(name.split(".")[0])))
    train = np.concatenate([frames_of(int(name.split(".")[0])) for name, _ in order[:4]]).astype(np.float64)
    assert np.allclose(held.columns.mean, train.mean(axis=0), rtol=1e-12)
    assert np.allclose(held.columns.scale, [train[:, 0].std(), 1, train[:, 2].std()], rtol=1e-12)
    assert held.meaning.vocabulary.symbols == sorted(set("".join(TEXTS)))
    said = "".join(text for _, text in order[:4])
    assert held.counts == {label: said.count(label) for label in sorted(set("".join(TEXTS)))}
    assert (report.kind, report.symbols, report.longest, report.longest_text) == ("frames", 5, 15, 4)
    assert report.splits["train"].strings == len(said)
    assert report.unlearnt == [label for label, count in held.counts.items() if not count]
    assert os.fspath(report) == str(tmp_path / "made.h5")


@pytest.mark.parametrize(
    ("name", "form", "more"),
    [
        ("a.jsonl", lambda e: jsonl(e), {}),
        ("a.ndjson", lambda e: jsonl(e, "audio_filepath"), {}),
        ("list", lambda e: "\n" + jsonl(e, "path", "said"), {"text": "said"}),
        ("a.tsv", lambda e: "".join(f"{path}\t{text}\n" for path, text in e), {}),
        ("list", lambda e: "".join(f"{path}\t{text}\r\n\r\n" for path, text in e), {}),
        (
            "a.tsv",
            lambda e: "id\tsaid\tpath\n" + "".join(f"1\t{text}\t{path}\n" for path, text in e),
            {"text": "said"},
        ),
        ("a.jsonl.gz", lambda e: gzip.compress(jsonl(e).encode(), mtime=0), {}),
    ],
)
def test_lists_of_all_forms_make_the_same_corpus(name: str, form: Any, more: Any, tmp_path: Path) -> None:
    entries = lines(tmp_path)
    expected = made(tmp_path, jsonl(entries)).fingerprint
    assert made(tmp_path, form(entries), name, **more).fingerprint == expected


def test_a_list_from_a_pipe_and_paths_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    entries = lines(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    piped = jsonl([(f"in/{path}", text) for path, text in entries]).encode()
    first = prepare_frames(["-"], "a.h5", frame_options(**ALL), stdin=io.BytesIO(piped))
    whole = made(tmp_path, jsonl([(str(tmp_path / "in" / path), text) for path, text in entries]), **ALL)
    assert [Held(each).texts for each in (first, whole)] == [{"train": shuffled(entries)}] * 2
    (tmp_path / "in" / "list").write_text(jsonl(entries))
    beside = prepare_frames(["in/list"], "b.h5", frame_options(**ALL))
    assert beside.fingerprint == first.fingerprint


def test_valid_and_test_keep_their_order_and_their_labels_count(tmp_path: Path) -> None:
    entries, more = lines(tmp_path), lines(tmp_path, ["ax", "b", "za"], first=20)
    report = made(tmp_path, jsonl(entries), valid=jsonl(more[:2]), test=jsonl(more[2:]))
    held = Held(report)
    assert held.texts == {"train": shuffled(entries), "valid": more[:2], "test": more[2:]}
    assert report.unlearnt == ["x", "z"]
    assert (held.counts["x"], held.counts["a"]) == (0, 6)
    assert "  not in train, so never learnt: 'x' 'z'" in str(report)


def test_words_and_a_policy(tmp_path: Path) -> None:
    entries = lines(tmp_path, [" Eins  zwei", "zwei don't", "e\u0301 eins"])
    report = made(tmp_path, jsonl(entries), tokens="words", policy={"lower": True, "normalise": "NFC"}, **ALL)
    held = Held(report)
    assert sorted(text for _, text in held.texts["train"]) == ["eins zwei", "zwei don't", "é eins"]
    assert sorted(held.meaning.vocabulary.symbols) == ["don't", "eins", "zwei", "é"]
    assert held.meaning.policy.lower
    chars = Held(made(tmp_path, jsonl([(entries[0][0], " B a\n")]), policy={"lower": True}, **ALL))
    assert chars.texts["train"] == [("0.npy", "b a")]


def test_frames_are_spliced_skipped_and_scaled_by_train(tmp_path: Path) -> None:
    report = made(tmp_path, jsonl(lines(tmp_path)), splice=1, skip=2, **ALL)
    with pytest.raises(DataError, match="2 labels need 2 frames, it has 1; give a smaller `skip`, or leave it out"):
        made(tmp_path, jsonl(lines(tmp_path, ["ab"])), skip=9, **ALL)
    held = Held(report)
    assert (report.form.inputs, held.columns.inputs, held.columns.names[-1]) == (9, 9, "9")
    for name, frames, _ in held.sequences["train"]:
        raw = frames_of(int(name.split(".")[0]))
        padded = np.concatenate((raw[:1], raw, raw[-1:]))
        assert np.array_equal(frames, np.concatenate((padded[:-2], raw, padded[2:]), axis=1)[::2])
    every = np.concatenate([frames for _, frames, _ in held.sequences["train"]]).astype(np.float64)
    assert np.allclose(held.columns.mean, every.mean(axis=0))


def test_long_sequences_are_left_out(tmp_path: Path) -> None:
    entries = lines(tmp_path)
    report = made(tmp_path, jsonl(entries), max_length=11, **ALL)
    assert Held(report).texts == {"train": shuffled(entries[:3])}
    assert (report.left_out, report.longest) == (4, 11)
    assert "  4 sequences of more than 11 frames were left out" in str(report)
    with pytest.raises(DataError, match="train split has none of 7 sequences; `max_length=2` left 7 out"):
        made(tmp_path, jsonl(entries), max_length=2, **ALL)


def test_labels_and_scaling_of_another_corpus(tmp_path: Path) -> None:
    first = made(tmp_path, jsonl(lines(tmp_path)), output="first.h5", splice=1, policy={"lower": True}, **ALL)
    more = lines(tmp_path, ["ÉB", "c"], first=20)
    report = made(tmp_path, jsonl(more), vocab_from=first, **ALL)
    mine, theirs = Held(report), Held(first)
    assert mine.meaning.differs(theirs.meaning) == ""
    assert mine.texts["train"] == shuffled([("20.npy", "éb"), ("21.npy", "c")])
    with pytest.raises(UsageError, match=r"`splice=2` contradicts `vocab_from=.*first\.h5`, which has 1"):
        made(tmp_path, jsonl(more), vocab_from=first, splice=2, **ALL)
    with pytest.raises(UsageError, match=r"`tokens=words` contradicts `vocab_from=.*`, which has chars"):
        made(tmp_path, jsonl(more), vocab_from=first, tokens="words", **ALL)
    with pytest.raises(UsageError, match=r"`lower=False` contradicts `vocab_from="):
        made(tmp_path, jsonl(more), vocab_from=first, policy={"lower": False}, **ALL)
    with pytest.raises(
        DataError, match="symbols of the text, 'x' among them, are not in the vocabulary of `vocab_from"
    ):
        made(tmp_path, jsonl(lines(tmp_path, ["xy"], first=30)), vocab_from=first, **ALL)
    with pytest.raises(DataError, match=r"5\.npy: it has 4 numbers a frame, the others 3"):
        made(tmp_path, jsonl(lines(tmp_path, ["a"], first=5, width=4)), vocab_from=first, **ALL)
    (tmp_path / "pairs.tsv").write_text("a\tb\n")
    pairs = prepare_pairs([tmp_path / "pairs.tsv"], tmp_path / "p.h5", pair_options("pairs", split=(1, 0, 0)))
    with pytest.raises(DataError, match="it holds pairs of texts, no frames with texts"):
        made(tmp_path, jsonl(more), vocab_from=pairs, **ALL)


WRONG = {
    "nothing": ("", "list.jsonl: it is empty; expected a file and its text a line"),
    "blank lines": ("\n \n", "list.jsonl: it is empty"),
    "no JSON": ("x\t1\n", "list.jsonl, line 1: no JSON: "),
    "no object": ('["0.npy", "a"]\n', "list.jsonl, line 1: expected an object in braces, found "),
    "no path": ('{"file": "0.npy", "text": "a"}', "list.jsonl, line 1: it names no file as frames, path or audio_file"),
    "no text": ('{"frames": "0.npy", "txt": "a"}', "list.jsonl, line 1: there is no 'text' for `text`; it has frames"),
    "a number": ('{"frames": "0.npy", "text": 42}', "list.jsonl, line 1: 'text' is 42, expected a text"),
    "a path that is none": ('{"frames": 1, "text": "a"}', "list.jsonl, line 1: 'frames' is 1, expected a text"),
    "an empty path": ('{"frames": " ", "text": "a"}', "list.jsonl, line 1: the path is empty"),
    "lines in a path": ('{"frames": "a\\nb", "text": "a"}', "list.jsonl, line 1: the path 'a\\nb' has a line end or a"),
    "a zero byte": ('{"frames": "a\\u0000", "text": "a"}', "list.jsonl, line 1: the path 'a\\x00' has a line end or a"),
    "an empty text": (jsonl([("0.npy", " ")]), "list.jsonl, line 1: the text is empty; give it one, or leave the line"),
    "lines in a text": (
        jsonl([("0.npy", "a\nb")]),
        "list.jsonl, line 1: the text has a tab or a line end; put a space",
    ),
    "half of a pair": ('{"frames": "0.npy", "text": "\\ud800"}', "list.jsonl, line 1: 'text' has half of a surrogate"),
    "a missing file": (jsonl([("9.npy", "a")]), "list.jsonl, line 1: {0}/9.npy: cannot read the frames: No such file"),
    "a folder": (jsonl([("in.npy", "a")]), "list.jsonl, line 1: {0}/in.npy: cannot read the frames: it is a folder"),
    "another name": (jsonl([("a.mp3", "a")]), "list.jsonl, line 1: {0}/a.mp3: its name does not end with .npy, .npz"),
    "twice": (
        jsonl([("0.npy", "a"), ("1.npy", "a"), ("./0.npy", "b")]),
        "list.jsonl, line 3: {0}/0.npy: it is there before, in {0}/list.jsonl, line 1; leave one of them out",
    ),
    "another width": (
        jsonl([("0.npy", "a"), ("wide.npy", "a")]),
        "list.jsonl, line 2: {0}/wide.npy: it has 4 numbers a frame, the others 3",
    ),
    "another kind": (
        jsonl([("0.npy", "a"), ("x.wav", "a")]),
        "list.jsonl, line 2: {0}/x.wav: it is sound, the others are arrays; give files of one kind",
    ),
    "too long a text": (
        jsonl([("1.npy", "a"), ("0.npy", "abcabcabcd")]),
        "list.jsonl, line 2: 10 labels need 10 frames, it has 9; leave it out",
    ),
    "a repeat too many": (
        jsonl([("0.npy", "aabcdefgh")]),
        "list.jsonl, line 1: 9 labels, one repeated, need 10 frames, it has 9; leave it out",
    ),
    "repeats too many": (jsonl([("0.npy", "aaabbb")]), "list.jsonl, line 1: 6 labels, 4 repeated, need 10 frames"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_lists_are_one_line(name: str, tmp_path: Path) -> None:
    lines(tmp_path)
    (tmp_path / "in.npy").mkdir()
    np.save(tmp_path / "wide.npy", np.zeros((9, 4)))
    content, told = WRONG[name]
    with pytest.raises(DataError) as caught:
        made(tmp_path, content, **ALL)
    assert str(caught.value).startswith(f"{tmp_path}/" + told.replace("{0}", str(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1
    assert not {path.name for path in tmp_path.iterdir() if path.name.startswith(".") or path.suffix == ".h5"}


def test_wrong_tables_are_one_line(tmp_path: Path) -> None:
    lines(tmp_path)
    for content, more, told in (
        ("0.npy a\n", {}, "line 1: 1 column, expected 2: a path, a tab and a text, or a header and `text`"),
        ("0.npy\ta\n1.npy\ta\tb\n", {}, "line 2: 3 columns, expected 2: a path, a tab and a text"),
        ("file\ttext\n0.npy\ta\n", {"text": "text"}, "line 1: the first row names no column frames, path or audio"),
        ("path\ttext\n0.npy\ta\n", {"text": "said"}, "there is no column 'said' for `text`"),
        ("path\ttext\tid\n0.npy\ta\n", {"text": "text"}, "line 2: 2 columns, expected 3: as in the first row"),
        ("path\ttext\n", {"text": "text"}, "train split has none of 0 sequences"),
    ):
        with pytest.raises(DataError, match=told):
            made(tmp_path, content, "list.tsv", **more, **ALL)


def test_wrong_arguments_are_one_line(tmp_path: Path) -> None:
    for given, told in (
        ({"splice": -1}, "`splice=-1`: expected 0 to 1,000"),
        ({"skip": 0}, "`skip=0`: expected 1 to 1,000"),
        ({"skip": 1.5}, "`skip`: expected"),
        ({"min_count": 2}, "`min_count=2`: labels of frames are kept, however rare; leave it out"),
        ({"tokens": "bytes"}, "`tokens=bytes`: labels of frames are chars or words"),
        ({"max_length": 0}, "`max_length"),
        ({"split": (1, 0, 0), "files": True}, "`split` contradicts `valid` and `test`"),
        ({"text": 1}, "`text`: expected"),
    ):
        with pytest.raises(UsageError, match=told):
            frame_options(**given)
    with pytest.raises(DataError, match="it is a folder; give a list of files with their texts"):
        prepare_frames([tmp_path], tmp_path / "a.h5", frame_options())
    np.save(tmp_path / "frames.npy", np.zeros((9, 3)))
    with pytest.raises(DataError, match=r"frames.npy: it has frames; give a list of such files with their texts"):
        prepare_frames([tmp_path / "frames.npy"], tmp_path / "x.h5", frame_options())
    with pytest.raises(UsageError, match="no list to prepare"):
        prepare_frames([], tmp_path / "a.h5", frame_options())


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    report = made(folder, jsonl(lines(folder)[:1]), output=tmp_path / "made.h5", **ALL)
    with Corpus.open(report) as corpus:
        assert corpus.key_names == (str(tmp_path / "\\udcff" / "0.npy"),)


MEASURED = """
import resource, sys
from pathlib import Path
from gpurnn.data.frames.options import frame_options
from gpurnn.data.prepare_frames import prepare_frames
prepare_frames([Path(sys.argv[1])], Path(sys.argv[2]), frame_options(splice=int(sys.argv[3])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(1000, 100)).astype("<f4")
    np.save(tmp_path / "0.npy", frames)
    for number in range(1, 40):
        os.link(tmp_path / "0.npy", tmp_path / f"{number}.npy")
    peaks = []
    for count, splice in ((2, 0), (40, 2)):  # 0.8 and 80 MB
        (tmp_path / "list").write_text("".join(f"{number}.npy\tab\n" for number in range(count)))
        given = [sys.executable, "-c", MEASURED, str(tmp_path / "list"), str(tmp_path / f"{count}.h5"), str(splice)]
        peaks.append(int(subprocess.run(given, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 30_000  # kilobytes
    assert (tmp_path / "40.h5").stat().st_size > 79e6
