"""From labelled texts and tagged sentences to a corpus: values, order, splits, and what is refused."""

import gzip
import io
import itertools
import random
import re
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.options import What, labelled_options
from gpurnn.data.labelled.order import permutation
from gpurnn.data.prepare import prepare
from gpurnn.data.prepare_labelled import prepare_labelled
from gpurnn.exceptions import DataError, UsageError

ALL = {"split": (1, 0, 0)}
Documents = list[tuple[list, list | str]]


class Prepared:
    """What became of files. documents: by split, the symbols of each and its label, or its tags."""

    def __init__(self, report) -> None:
        self.report = report
        with Corpus.open(report) as corpus:
            corpus.verify()
            self.kind, self.labels, self.symbols = corpus.kind, corpus.labels, corpus.vocabulary.symbols
            self.unknown, self.policy = corpus.vocabulary.unknown, corpus.policy
            self.counts = dict(zip(self.symbols, corpus.counts.tolist(), strict=True))
            self.label_counts = dict(zip(self.labels, corpus.label_counts.tolist(), strict=True))
            self.documents = {name: self._documents(corpus, name) for name in corpus.splits}

    def _documents(self, corpus: Corpus, name: str) -> Documents:
        split = corpus.split(name)
        if not len(split):
            return []
        ids = np.empty(len(split), split.dtype)
        split.read(0, ids)
        starts = np.empty(len(split.documents), np.uint64)
        split.documents.read(0, starts)
        targets = np.empty(len(split.targets), split.targets.dtype)
        split.targets.read(0, targets)
        cuts = starts[1:].astype(int)
        tokens = [[self.symbols[i] for i in part.tolist()] for part in np.split(ids, cuts)]
        if self.kind == "labels":
            return list(zip(tokens, [self.labels[i] for i in targets.tolist()], strict=True))
        return list(zip(tokens, [[self.labels[i] for i in part] for part in np.split(targets, cuts)], strict=True))


@pytest.fixture
def prepared(tmp_path: Path):
    """prepared(what, content, **options): what became of a file, and of those for `valid` and `test`."""

    def made(
        what: What, content: str | bytes, valid=None, test=None, policy=None, vocab_from=None, name="t", **options
    ) -> Prepared:
        files: list[list[Path]] = []
        for group, text in (("train", content), ("valid", valid), ("test", test)):
            files.append([] if text is None else [tmp_path / f"{group}-{name}"])
            for file in files[-1]:
                file.write_bytes(text if isinstance(text, bytes) else text.encode())
        chosen = labelled_options(what, files=bool(files[1] or files[2]), **options)
        before = {path.name for path in tmp_path.iterdir()}
        try:
            report = prepare_labelled(
                files[0],
                tmp_path / "m.h5",
                chosen,
                policy=policy,
                valid=files[1],
                test=files[2],
                vocab_from=vocab_from,
                force=True,
            )
        finally:
            assert {path.name for path in tmp_path.iterdir()} - before <= {"m.h5"}
        return Prepared(report)

    return made


def posts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Labels and texts, no two alike."""
    draw = random.Random(seed)
    words = ["so", "good", "bad", "Très", "été", "!", "film", "U2"]
    return [(draw.choice("abc"), f"{' '.join(draw.choices(words, k=draw.randint(1, 9)))} {i}") for i in range(count)]


def tsv(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{label}\t{text}\n" for label, text in rows)


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ("chars", list),
        ("bytes", lambda text: [bytes([byte]) for byte in text.encode()]),
        ("words", lambda text: re.findall(r"\w+|[^\w\s]", text)),
    ],
)
def test_texts_keep_their_labels_in_shuffled_splits(prepared, tokens: str, cut):
    rows = posts(3000)
    made = prepared("labels", tsv(rows), target="first", tokens=tokens, split=(0.8, 0.1, 0.1), seed=4, min_count=1)
    shuffled = [rows[i] for i in permutation(3000, 4)]
    known = set(made.symbols)
    for name, part in (("train", shuffled[:2400]), ("valid", shuffled[2400:2700]), ("test", shuffled[2700:])):
        expected = [([s if s in known else "" for s in cut(text)], label) for label, text in part]
        assert made.documents[name] == expected
        assert made.report.splits[name].documents == len(part)
        assert {n: counts[name] for n, counts in made.report.labels.items()} == Counter(label for label, _ in part)
    train = Counter(symbol for _, text in shuffled[:2400] for symbol in cut(text))
    assert {s: n for s, n in made.counts.items() if s} == train
    assert made.label_counts == Counter(label for label, _ in shuffled[:2400])
    assert made.labels == ("a", "b", "c")
    assert made.report.longest == max(len(cut(text)) for _, text in rows)
    if tokens == "words":
        assert sum(made.report.unknown.values()) == sum(s not in train for _, text in shuffled for s in cut(text))
        assert list(made.counts.values())[:-1] == sorted(train.values(), reverse=True)


def test_the_seed_decides_and_nothing_else(prepared):
    content = tsv(posts(200))
    options = {"target": "first"}
    one, same, other = (prepared("labels", content, seed=seed, **options) for seed in (1, 1, 2))
    assert one.report.fingerprint == same.report.fingerprint != other.report.fingerprint


def test_files_of_other_splits_keep_their_order(prepared):
    rows = posts(90)
    made = prepared("labels", tsv(rows[:60]), tsv(rows[60:80]), tsv(rows[80:]), target="first", seed=3)
    for name, part in (("valid", rows[60:80]), ("test", rows[80:])):
        assert made.documents[name] == [(list(text), label) for label, text in part]
    assert made.documents["train"] == [(list(rows[i][1]), rows[i][0]) for i in permutation(60, 3)]


def test_the_policy_and_the_cut_off_of_rare_words(prepared):
    content = "label,text,more\nx,BIG Big,A\ny,big E\u0301,b\n"
    made = prepared(
        "labels",
        content,
        tokens="words",
        texts=["text", "more"],
        min_count=2,
        policy={"lower": True, "normalise": "NFC"},
        **ALL,
    )
    by_label = {label: symbols for symbols, label in made.documents["train"]}
    assert by_label == {"x": ["big", "big", "\n", ""], "y": ["big", "", "\n", ""]}
    assert made.counts == {"big": 3, "\n": 2, "": 3}
    assert made.policy.lower
    assert made.policy.normalise == "NFC"


def test_wrong_bytes_are_refused_or_replaced(prepared):
    content = b"a\tfine\nb\tna\xefve\n"
    with pytest.raises(DataError, match=r"train-t: byte 11 \(ef\) is not utf-8: .*`errors=replace`$"):
        prepared("labels", content, target="first", **ALL)
    made = prepared("labels", content, target="first", policy={"errors": "replace"}, **ALL)
    assert {label: "".join(text) for text, label in made.documents["train"]} == {"a": "fine", "b": "na\ufffdve"}
    assert (made.report.wrong_bytes, made.report.replacements, made.report.damaged) == (1, 1, 1)
    made = prepared("labels", content, target="first", policy={"encoding": "latin-1"}, **ALL)
    assert {"".join(text) for text, _ in made.documents["train"]} == {"fine", "naïve"}


def test_a_file_in_order_of_its_labels_is_said_and_shuffled(prepared):
    rows = [("neg", f"n{i}") for i in range(40)] + [("pos", f"p{i}") for i in range(40)]
    made = prepared("labels", tsv(rows), target="first", **ALL)
    [file] = made.report.by_class
    assert file.endswith("train-t")
    assert f"sorted by label, now shuffled: {file}" in str(made.report)
    labels = [label for _, label in made.documents["train"]]
    assert 20 < sum(a != b for a, b in itertools.pairwise(labels)) < 60
    mixed = prepared("labels", tsv([*rows, ("neg", "x")]), target="first", **ALL)
    assert mixed.report.by_class == []


def test_a_folder_has_a_folder_for_each_class(tmp_path: Path):
    files = {"pos/1.txt": "good\nfilm", "pos/deep/2.txt": "great", "neg/1.txt": "bad", "neg/empty.txt": "", ".x/1": "?"}
    for name, text in files.items():
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_text(text)
    (tmp_path / "f" / "neg" / "2.txt.gz").write_bytes(gzip.compress(b"worse"))
    for tokens, joined in (("chars", "".join), ("words", " ".join), ("bytes", b"".join)):
        options = labelled_options("labels", tokens=tokens, split=(1, 0, 0))
        made = Prepared(prepare_labelled([tmp_path / "f"], tmp_path / "m.h5", options, force=True))
        found = sorted((label, joined(text)) for text, label in made.documents["train"])
        texts = {"chars": "good\nfilm", "words": "good \n film", "bytes": "good\nfilm"}[tokens]
        expected = [("neg", "bad"), ("neg", "worse"), ("pos", texts), ("pos", "great")]
        assert found == [(a, b.encode() if tokens == "bytes" else b) for a, b in expected]
        assert made.report.empty == 1
    options = labelled_options("labels")
    (tmp_path / "f" / "new").mkdir()
    with pytest.raises(DataError, match=r"f/new: the class has no text; give it one, or remove the folder$"):
        prepare_labelled([tmp_path / "f"], tmp_path / "m.h5", options, force=True)
    (tmp_path / "f" / "lone.txt").write_text("x")
    with pytest.raises(DataError, match=r"f/lone\.txt: it is in no folder of a class; "):
        prepare_labelled([tmp_path / "f"], tmp_path / "m.h5", options, force=True)


def test_standard_input_and_packed_files(tmp_path: Path):
    options = labelled_options("labels", target="last", split=(1, 0, 0))
    stdin = io.BytesIO(gzip.compress(b"one,a\ntwo,b\n"))
    made = Prepared(prepare_labelled(["-"], tmp_path / "m.h5", options, stdin=stdin))
    assert sorted((label, "".join(text)) for text, label in made.documents["train"]) == [("a", "one"), ("b", "two")]
    with pytest.raises(UsageError, match="standard input"):
        prepare_labelled(["-", "-"], tmp_path / "m.h5", options, stdin=stdin, force=True)


CONLL = "Ann NNP B-PER\nLee NNP I-PER\nruns VB O\n\nin IN O\nRome NNP B-LOC\n"


def test_words_are_tokens_as_the_columns_give_them(prepared):
    made = prepared("tags", "U.S.\tB-LOC\nsays\tO\n\nNew York\tB-LOC\nand\tO\nit's\tO\n", **ALL)
    assert made.kind == "tags"
    assert sorted(made.documents["train"]) == [
        (["New York", "and", "it's"], ["B-LOC", "O", "O"]),
        (["U.S.", "says"], ["B-LOC", "O"]),
    ]
    assert made.labels == ("B-LOC", "O")
    assert (made.label_counts, made.report.scheme) == ({"B-LOC": 2, "O": 3}, "IOB2")
    assert "2 tags (IOB2): O 3, B-LOC 2" in str(made.report)


def test_characters_have_the_tag_of_their_word_and_the_space_one_of_its_own(prepared):
    made = prepared("tags", CONLL, tokens="chars", policy={"lower": True}, **ALL)
    assert made.labels == ("B-LOC", "B-PER", "I-PER", "O", " ")
    assert sorted(made.documents["train"], reverse=True)[1] == (
        list("ann lee runs"),
        ["B-PER"] * 3 + [" "] + ["I-PER"] * 3 + [" "] + ["O"] * 4,
    )
    assert made.label_counts == {"B-LOC": 4, "B-PER": 3, "I-PER": 3, "O": 6, " ": 3}
    spaced = prepared("tags", "New York\tX\nis\tY\n", tokens="chars", **ALL)
    assert spaced.documents["train"] == [(list("New York is"), ["X"] * 8 + [" ", "Y", "Y"])]
    alone = prepared("tags", "a\tX\n\nb\tY\n", tokens="chars", **ALL)
    assert alone.label_counts == {"X": 1, "Y": 1, " ": 0}


def test_each_word_is_normalised_as_one_of_its_own(prepared):
    made = prepared("tags", "ΟΔΟΣ X\nE\u0301 Y\n\u0301e X\n", policy={"lower": True, "normalise": "NFC"}, **ALL)
    assert made.documents["train"] == [(["οδος", "é", "\u0301e"], ["X", "Y", "X"])]


def test_other_columns_can_be_chosen(prepared):
    made = prepared("tags", CONLL, target=2, **ALL)
    assert made.labels == ("IN", "NNP", "VB")
    assert made.report.scheme is None


def test_sentences_keep_their_tags_in_shuffled_splits(prepared):
    draw = random.Random(6)
    rows = [
        [(f"w{draw.randrange(50)}", f"T{draw.randrange(5)}") for _ in range(draw.randint(1, 30))] for _ in range(2000)
    ]
    content = "\n".join("".join(f"{word} {tag}\n" for word, tag in sentence) for sentence in rows)
    made = prepared("tags", content, seed=2, split=(0.5, 0.25, 0.25))
    shuffled = [rows[i] for i in permutation(2000, 2)]
    for name, part in (("train", shuffled[:1000]), ("valid", shuffled[1000:1500]), ("test", shuffled[1500:])):
        assert made.documents[name] == [([w for w, _ in each], [t for _, t in each]) for each in part]
        tags = Counter(tag for each in part for _, tag in each)
        assert {tag: counts[name] for tag, counts in made.report.labels.items()} == tags


def test_another_corpus_gives_vocabulary_and_labels(prepared, tmp_path: Path):
    first = prepared(
        "labels", "a\tone two\nb\ttwo\nc\tsix\n", target="first", tokens="words", policy={"lower": True}, **ALL
    )
    (tmp_path / "m.h5").rename(tmp_path / "first.h5")
    options = {"target": "first", "vocab_from": tmp_path / "first.h5"}
    with pytest.raises(DataError, match="symbols of the text, 'new' among them, are not in the vocabulary"):
        prepared("labels", "a\tnew\nb\tTWO\n", **options, **ALL)
    made = prepared("labels", "b\tTWO\n", **options, **ALL)
    assert made.documents["train"] == [(["two"], "b")]
    assert (made.symbols, made.labels) == (first.symbols, ("a", "b", "c"))
    with pytest.raises(DataError, match=r"train-t, line 1: the label 'd' is not among those of `vocab_from`$"):
        prepared("labels", "d\ttwo\n", **options, **ALL)
    with pytest.raises(UsageError, match=r"^`tokens=chars` contradicts `vocab_from=.*, which has words$"):
        prepared("labels", "a\ttwo\n", tokens="chars", **options, **ALL)
    with pytest.raises(UsageError, match="`lower=False` contradicts"):
        prepared("labels", "a\ttwo\n", policy={"lower": False}, **options, **ALL)
    text = tmp_path / "text"
    text.write_text("two six seven\n")
    prepare([text], tmp_path / "text.h5", tokens="words", split=(1, 0, 0))
    of_text = prepared("labels", "x\ttwo\ny\tseven\n", target="first", vocab_from=tmp_path / "text.h5", **ALL)
    assert of_text.labels == ("x", "y")
    assert sorted(of_text.documents["train"]) == [(["seven"], "y"), (["two"], "x")]


@pytest.mark.parametrize(
    ("what", "content", "options", "message"),
    [
        (
            "labels",
            "a\tx\nb\ty\n",
            {"target": "first", "valid": "a\tx\nc\ty\n"},
            r"valid-t, line 2: the label 'c' is in other splits alone, train has none of it; leave it out there$",
        ),
        (
            "tags",
            "x O\ny P\n",
            {"test": "x O\n\nz Q\n"},
            r"test-t, line 3: the tag 'Q' is in other splits alone, train has none of it; leave it out there$",
        ),
        (
            "labels",
            "".join(f"{'rare' if i == 7 else i % 2}\tx{i}\n" for i in range(20)),
            {"target": "first", "split": (0.05, 0.9, 0.05), "seed": 1},
            r", line \d+: the label '\w+' is in other splits alone, train has none of it; leave it out, or give "
            "another `seed`$",
        ),
        (
            "labels",
            "a\tx\na\ty\n",
            {"target": "first"},
            r"^there is one label alone, 'a'; is it the right `label_column`\?$",
        ),
        ("tags", "a O\n", {"tokens": "chars", **ALL}, r"^there is one tag alone, 'O'; is it the right `tag_column`\?$"),
        ("labels", "a\tx\n", {"target": "first"}, "^the train split has none of 1; give more"),
        ("tags", "\n\n", {}, "train-t: it has no sentence$"),
        ("labels", "label\ttext\n", {}, "train-t: it has no text but its header$"),
        (
            "tags",
            "a B-X\nb I-X\n\na I-Y\nb B-X\n\nb B-X\nc I-X\n",
            ALL,
            r"train-t, line 4: in IOB2, which most tags are in, 'I-Y' cannot begin a sentence; correct it$",
        ),
        (
            "labels",
            "a\tx\nb\ty\n",
            {"target": "first", "tokens": "words", "min_count": 3, **ALL},
            "^`min_count=3`: no word of the train split is there so often, the commonest 1 times; give a lower one$",
        ),
        ("labels", "PK\x03\x04\n", {"target": "first"}, "no text; "),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_one_line(prepared, what: What, content: str, options: dict, message: str):
    with pytest.raises(DataError, match=message) as caught:
        prepared(what, content, **options)
    assert "\n" not in str(caught.value)


def test_an_old_corpus_stays_where_a_new_one_fails(prepared, tmp_path: Path):
    prepared("labels", "a\tx\nb\ty\n", target="first", **ALL)
    before = (tmp_path / "m.h5").read_bytes()
    with pytest.raises(DataError):
        prepared("labels", "a\tx\nb\ty\nc\n", target="first", **ALL)
    assert (tmp_path / "m.h5").read_bytes() == before


def test_memory_is_bounded_by_documents_and_blocks(tmp_path: Path):
    file = tmp_path / "big.tsv"
    with open(file, "w") as out:
        for i in range(20_000):
            out.write(f"{'ab'[i % 2]}\t{'lorem ipsum ' * 50}\n")
    tracemalloc.start()
    try:
        prepare_labelled([file], tmp_path / "m.h5", labelled_options("labels", target="first"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > 12_000_000 > peak
