"""From pairs of texts, and from vectors with texts, to a corpus: values, order, splits, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.order import permutation
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.pairs.report import PairsReport
from gpurnn.data.prepare import prepare
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.exceptions import DataError, UsageError

ALL = {"split": (1, 0, 0)}
PAIRS = [("abba", "AH0 B AH0"), ("b", "B"), ("a cab", "AH0 K AH0 B"), ("é", "EH1"), ("c-b", "K B"), ("bac", "B AH0 K")]
TSV = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
SETTINGS = ("source", "target", "vectors", "policy", "vocab_from", "stdin", "progress", "output")


def made(folder: Path, content: str | bytes, what: Any = "pairs", name: str = "file", **given: Any) -> PairsReport:
    """What becomes of a file, and of those for `valid` and `test`, which are given by their content, too."""
    settings = {each: given.pop(each) for each in SETTINGS if each in given}
    files = {}
    for each, text in (("inputs", content), ("valid", given.pop("valid", None)), ("test", given.pop("test", None))):
        files[each] = []
        if text is not None and text != "":
            path = folder / (name if each == "inputs" else f"{each}-{name}")
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            files[each] = [path]
    options = pair_options(what, files=bool(files["valid"] or files["test"]), **given)
    return prepare_pairs(
        output=folder / settings.pop("output", "made.h5"), options=options, force=True, **files, **settings
    )


class Held:
    """What a corpus holds. pairs: by split, the symbols of both sides of each, or a vector and symbols."""

    def __init__(self, path: Any) -> None:
        with Corpus.open(path) as corpus:
            corpus.verify()
            self.target, self.policy = corpus.vocabulary, corpus.policy
            self.source = corpus.source_vocabulary if corpus.kind == "pairs" else None
            self.pairs = {name: [self._read(*pair) for pair in pairs_of(corpus.split(name))] for name in corpus.splits}
            self.counts = dict(zip(self.target.symbols, corpus.counts.tolist(), strict=True))
            if self.source is not None:
                counts = corpus._counts("source_vocabulary", "")
                self.source_counts = dict(zip(self.source.symbols, counts.tolist(), strict=True))

    def _read(self, source: np.ndarray, target: np.ndarray) -> tuple[list, list]:
        first = source.tolist() if self.source is None else [self.source.symbols[i] for i in source.tolist()]
        return first, [self.target.symbols[i] for i in target.tolist()]


def shuffled(pairs: list, seed: int = 0) -> list:
    return [pairs[i] for i in permutation(len(pairs), seed).tolist()]


def spelt(pairs: list[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Pairs with letters as the tokens of the one side and words of the other."""
    return [(list(source), target.split()) for source, target in pairs]


def test_pairs_of_two_columns(tmp_path: Path) -> None:
    report = made(tmp_path, TSV, target_tokens="words", split=(0.5, 1 / 6, 1 / 3), seed=3)
    held = Held(report)
    order = spelt(shuffled(PAIRS, 3))
    assert [held.pairs[name] for name in ("train", "valid", "test")] != [order[:3], order[3:4], order[4:]]  # unknown
    train, others = order[:3], order[3:]
    assert held.pairs["train"] == train
    for side, vocabulary in ((0, held.source), (1, held.target)):
        known = {symbol for pair in train for symbol in pair[side]}
        assert set(vocabulary.symbols) - {""} == known
        found = [pair[side] for name in ("valid", "test") for pair in held.pairs[name]]
        assert found == [[symbol if symbol in known else "" for symbol in pair[side]] for pair in others]
    assert held.counts == dict.fromkeys(held.target.symbols, 0) | Counter(s for _, target in train for s in target)
    assert held.source_counts == dict.fromkeys(held.source.symbols, 0) | Counter(s for each, _ in train for s in each)
    assert (held.source.kind, held.target.kind) == ("chars", "words")
    assert (report.source_symbols, report.symbols) == (len(held.source), len(held.target))
    sizes = {name: (size.documents, size.source, size.tokens) for name, size in report.splits.items()}
    assert sizes == {
        name: (len(part), sum(len(a) for a, _ in part), sum(len(b) for _, b in part))
        for name, part in (("train", order[:3]), ("valid", order[3:4]), ("test", order[4:]))
    }
    lacks = [sum(symbol == "" for pair in held.pairs[name] for symbol in pair[0]) for name in ("valid", "test")]
    assert [report.source_unknown[name] for name in ("valid", "test")] == lacks
    assert (report.source_longest, report.longest) == (5, 4)
    assert (
        str(report)
        .splitlines()[0]
        .endswith(
            f"{report.source_symbols} chars in the source vocabulary, {report.symbols} words in the target vocabulary"
        )
    )


def test_every_form_gives_the_same_corpus(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"id": 1, "target": b, "source": a}) + "\n" for a, b in PAIRS)
    (tmp_path / "s1").write_text("".join(f"{a}\n" for a, _ in PAIRS[:2]))
    (tmp_path / "s2").write_text("\r\n".join(a for a, _ in PAIRS[2:]), newline="")
    (tmp_path / "t1").write_text("".join(f"{b}\n" for _, b in PAIRS[:2]))
    (tmp_path / "t2").write_bytes(gzip.compress("".join(f"{b}\n" for _, b in PAIRS[2:]).encode()))
    settings = {"tokens": "chars", "target_tokens": "words", "split": (0.5, 0.5, 0)}
    sides = {"source": [tmp_path / "s1", tmp_path / "s2"], "target": [tmp_path / "t1", tmp_path / "t2"]}
    reports = [
        made(tmp_path, TSV, output="1.h5", **settings),
        made(tmp_path, lines, output="2.h5", **settings),
        made(tmp_path, f"\ufeff{lines}\n", name="x.ndjson", output="3.h5", **settings),
        made(tmp_path, TSV.replace("\n", "\r\n") + "\r\n\r\n", name="x.tsv", output="4.h5", **settings),
        made(tmp_path, gzip.compress(TSV.encode()), output="5.h5", **settings),
        made(tmp_path, "", output="6.h5", **settings, **sides),
        prepare_pairs(["-"], tmp_path / "7.h5", pair_options("pairs", **settings), stdin=io.BytesIO(TSV.encode())),
    ]
    assert len({Path(report).read_bytes() for report in reports}) == 1
    assert [report.sources for report in reports] == [1, 1, 1, 1, 1, 4, 1]


def test_the_same_seed_gives_the_same_file_and_another_one_another_order(tmp_path: Path) -> None:
    one, two, other = (
        Path(made(tmp_path, TSV, output=f"{n}.h5", seed=seed, **ALL)).read_bytes() for n, seed in enumerate((5, 5, 6))
    )
    assert one == two != other


def test_pairs_of_valid_and_test_keep_their_order(tmp_path: Path) -> None:
    held = Held(made(tmp_path, TSV, target_tokens="words", valid="b\tB\nab\tAH0 B\na\tAH0\n", test="a\tK\n", seed=1))
    assert held.pairs["train"] == spelt(shuffled(PAIRS, 1))
    assert held.pairs["valid"] == spelt([("b", "B"), ("ab", "AH0 B"), ("a", "AH0")])
    assert held.pairs["test"] == [(["a"], ["K"])]


def test_words_of_targets_are_what_white_space_parts(tmp_path: Path) -> None:
    held = Held(made(tmp_path, "Don't  go!\tt' est-ce\u00a0que  ɡoʊ\n", tokens="words", **ALL))
    assert held.pairs["train"] == [(["Don", "'", "t", "go", "!"], ["t'", "est-ce", "que", "ɡoʊ"])]
    assert held.target.decode(range(4)) == " ".join(held.target.symbols)
    text = "".join(f"t' est-ce {n}\n" for n in range(3))
    np.save(tmp_path / "v.npy", np.ones((3, 1)))
    held = Held(made(tmp_path, text, "captions", vectors=tmp_path / "v.npy", tokens="words", **ALL))
    assert sorted(target for _, target in held.pairs["train"]) == [["t'", "est-ce", str(n)] for n in range(3)]


def test_tokens_of_every_kind_and_the_policy_of_both_sides(tmp_path: Path) -> None:
    content = "É\u0041\u030a\tÉ x\n".encode()
    for kinds, expected in (
        (("chars", None), (["é", "å"], ["é", " ", "x"])),
        (("bytes", "words"), ([b"\xc3", b"\x89", b"A", b"\xcc", b"\x8a"], ["é", "x"])),
        (("words", "bytes"), (["éå"], [b"\xc3", b"\x89", b" ", b"x"])),
    ):
        policy = {"lower": True, "normalise": "NFC"}
        held = Held(made(tmp_path, content, tokens=kinds[0], target_tokens=kinds[1], policy=policy, **ALL))
        assert held.pairs["train"] == [expected]
        assert (held.policy.lower, held.policy.normalise) == (True, "NFC")
    held = Held(made(tmp_path, "é\tü\n".encode("latin-1"), policy={"encoding": "latin-1"}, **ALL))
    assert held.pairs["train"] == [(["é"], ["ü"])]
    report = made(tmp_path, b"a\xff\tb\xfe\xfd\n", policy={"errors": "replace"}, **ALL)
    assert Held(report).pairs["train"] == [(["a", "\ufffd"], ["b", "\ufffd", "\ufffd"])]
    assert (report.wrong_bytes, report.replacements, report.damaged) == (3, 3, 1)
    assert "3 bytes not in the encoding became 3 U+FFFD, in 1 file" in str(report)


def test_longer_pairs_are_left_out_and_count_for_nothing(tmp_path: Path) -> None:
    report = made(
        tmp_path, TSV, target_tokens="words", max_length=3, valid="abcd\tB\nc\tK\n", test="b\tB B B\n", seed=2
    )
    held = Held(report)
    left = [pair for pair in PAIRS if len(pair[0]) <= 3 and len(pair[1].split()) <= 3]
    assert held.pairs["train"] == spelt(shuffled(left, 2)) and len(left) == 4
    assert held.pairs["valid"] == [(["c"], ["K"])] and held.pairs["test"] == [(["b"], ["B"] * 3)]
    assert held.source.unknown is None and set(held.source.symbols) == set("bacé-")
    assert report.left_out == 3 and report.max_length == 3
    assert "3 pairs of more than 3 tokens were left out" in str(report)
    with pytest.raises(DataError, match="the train split has none of 6; `max_length=1` left 5 out"):
        made(tmp_path, TSV, max_length=1, split=(0.5, 0, 0.5))


def test_rare_words_are_unknown_and_other_tokens_are_kept(tmp_path: Path) -> None:
    held = Held(made(tmp_path, "ab\tx y\nb\tx\n", target_tokens="words", min_count=2, **ALL))
    assert held.target.symbols == ["x", ""] and set(held.source.symbols) == {"a", "b"}
    held = Held(made(tmp_path, "a b\txy\nb\tx\n", tokens="words", target_tokens="chars", min_count=2, **ALL))
    assert held.source.symbols == ["b", ""] and set(held.target.symbols) == {"x", "y"}


def test_another_corpus_gives_both_vocabularies(tmp_path: Path) -> None:
    first = made(tmp_path, TSV, target_tokens="words", policy={"lower": True}, output="first.h5", **ALL)
    with pytest.raises(
        DataError, match="1 symbols of the text, 'z' among them, are not in the vocabulary of `vocab_fr"
    ):
        made(tmp_path, "AÉZ\tb\n", vocab_from=first, **ALL)
    second = made(tmp_path, "AÉ\tb k\n", vocab_from=first, output="second.h5", **ALL)
    one, two = Held(first), Held(second)
    assert (one.source.symbols, one.target.symbols) == (two.source.symbols, two.target.symbols)
    assert two.pairs["train"] == [(["a", "é"], ["b", "k"])] and two.target.kind == "words" and two.policy.lower
    for asked, told in (
        ({"tokens": "words"}, "`tokens=words` contradicts `vocab_from=.*first.h5`, which has chars"),
        ({"target_tokens": "chars"}, "`target_tokens=chars` contradicts `vocab_from=.*first.h5`, which has words"),
        ({"min_count": 2}, "`min_count=2`: a rare-word cut-off is for a new vocabulary"),
        ({"policy": {"lower": False}}, "`lower=False` contradicts `vocab_from=.*first.h5`, which has True"),
    ):
        with pytest.raises(UsageError, match=told):
            made(tmp_path, TSV, vocab_from=first, **asked, **ALL)
    (tmp_path / "text").write_text("abc")
    text = prepare([tmp_path / "text"], tmp_path / "text.h5", split=(1, 0, 0))
    with pytest.raises(DataError, match=r"text.h5: it holds text \(chars\), no other side"):
        made(tmp_path, TSV, vocab_from=text, **ALL)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", "u1", ">i2", "<i8"])
@pytest.mark.parametrize("rows", [1, 2, 1 << 20])
def test_vectors_go_with_their_lines(tmp_path: Path, kind: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpurnn.data.pairs.vectors._BLOCK_BYTES", rows)
    monkeypatch.setattr("gpurnn.data.pairs.packing._BLOCK_BYTES", 12 * rows)
    lines = [f"{'ab'[n % 2]} number {n}" for n in range(9)]
    array = np.arange(27).reshape(9, 3).astype(kind)
    if kind == "<f8":
        array += 1 / 3
    np.save(tmp_path / "v.npy", array)
    text = "".join(f"{line}\n" for line in lines)
    report = made(tmp_path, text, "captions", vectors=tmp_path / "v.npy", split=(7 / 9, 1 / 9, 1 / 9), seed=4)
    held = Held(report)
    expected = [(array[n].astype(np.float32).tolist(), list(lines[n])) for n in permutation(9, 4).tolist()]
    assert held.pairs["train"] == expected[:7]
    assert [pair[0] for name in ("valid", "test") for pair in held.pairs[name]] == [v for v, _ in expected[7:]]
    assert report.vectors == 3 and report.source_tokens is None and report.kind == "captions"
    assert "chars in the vocabulary, vectors of 3 numbers" in str(report)
    assert f"the longest caption has {max(map(len, lines))} tokens" in str(report)


def test_vectors_go_through_all_files_in_order(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(5.0)[:, None])
    report = made(
        tmp_path, "a\nbb\nab\n", "captions", vectors=tmp_path / "v.npy", valid="a\n", test="aa\n", max_length=1
    )
    assert Held(report).pairs == {"train": [([0.0], ["a"])], "valid": [([3.0], ["a"])], "test": []}
    assert report.left_out == 3 and "3 captions of more than 1 token were left out" in str(report)


REFUSED = [
    ("a\tb\tc\n", "file, line 1: 3 columns, expected a source, a tab and a target; correct it"),
    ("a\tb\nc\n", "file, line 2: 1 column, expected a source, a tab and a target; correct it"),
    ("a\tb\n\n \tc\n", "file, line 3: the source is empty; give it one, or leave the pair out"),
    ("a\tb\nc\t\u3000\n", "file, line 2: the target is empty; give it one, or leave the pair out"),
    ("\n \n", "file: it has no pairs"),
    ("", "file: it has no pairs"),
    (b"a\tb\nc\xff\td\n", "file: byte 5 (ff) is not utf-8: invalid start byte; give the right `encoding`, or"),
    (b"PK\x03\x04" + bytes(60), "no text"),
    ('{"source": "a"}\n', "file, line 1: there is no 'target' for `pairs`; it has source"),
    ('{"source": "a", "target": 3}\n', "file, line 1: 'target' is 3, expected a text"),
    ('{"source": "a\\tb", "target": "c"}\n', "file, line 1: the source has a tab or a line end; put a space there"),
    ('{"source": "a", "target": "\\ud800"}\n', "file, line 1: 'target' has half of a surrogate pair; correct it"),
    ('{"source": "a", "target": "b"}\n[]\n', "file, line 2: expected an object in braces, found '[]'"),
    ('{"source": "a"\n', "file, line 1: no JSON: "),
]


@pytest.mark.parametrize(("content", "told"), REFUSED)
def test_files_that_are_no_pairs(tmp_path: Path, content: str | bytes, told: str) -> None:
    (tmp_path / "file").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as error:
        prepare_pairs([tmp_path / "file"], tmp_path / "made.h5", pair_options("pairs", **ALL))
    assert told in str(error.value) and len(str(error.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("a\nb\n", "x\n", "s has 2 lines, t 1; line by line they have to be pairs"),
        ("a\n", "x\ny\nz", "s has 1 lines, t 3; line by line they have to be pairs"),
        ("a\n\n", "x\ny\n", "s, line 2: the source is empty; give it one, or leave the pair out"),
        ("a\nb\n", "x\n \n", "t, line 2: the target is empty; give it one, or leave the pair out"),
        ("a\nb\n", "x\nz\tz\n", "t, line 2: the target has a tab or a line end; put a space there"),
        ("", "", "s: it has no pairs"),
    ],
)
def test_sides_that_do_not_belong_together(tmp_path: Path, source: str, target: str, told: str) -> None:
    (tmp_path / "s").write_text(source)
    (tmp_path / "t").write_text(target)
    with pytest.raises(DataError) as error:
        made(tmp_path, "", source=[tmp_path / "s"], target=[tmp_path / "t"], **ALL)
    assert str(error.value).replace(f"{tmp_path}/", "") == told


def test_wrong_calls(tmp_path: Path) -> None:
    for name in ("s", "t"):
        (tmp_path / name).write_text("a\n")
    (tmp_path / "link").symlink_to("s")
    s, t = tmp_path / "s", tmp_path / "t"
    calls: list[tuple[dict[str, Any], str]] = [
        ({"source": [s, t], "target": [s]}, "`source` has 2 files and `target` 1; give as many of both, in the same"),
        ({"source": [s]}, "`source` has 1 files and `target` 0; give as many of both"),
        (
            {"source": [s], "target": [tmp_path / "link"]},
            "it is given for `source` and for `target`; give the files of",
        ),
        ({"content": TSV, "source": [s], "target": [t]}, "`source` and `target` are instead of files with both sides"),
        ({"source": ["-"], "target": ["-"]}, r"standard input \(-\) can be read only once"),
        ({}, "no text to prepare; name a file, a folder, or - for standard input"),
        ({"content": TSV, "max_length": 0}, "`max_length`: expected at least 1, found 0"),
        ({"content": TSV, "min_count": 2}, "`min_count=2`: a rare-word cut-off is for a new vocabulary of words"),
        ({"content": TSV, "min_count": 0, "tokens": "words"}, "`min_count=0`: expected 1 or more"),
        ({"content": TSV, "tokens": "bytes", "policy": {"lower": True}}, "`lower` does not go with `tokens=bytes`"),
        ({"content": TSV, "valid": TSV, "split": (1, 0, 0)}, "`split` contradicts `valid` and `test`"),
        ({"content": TSV, "seed": -1}, "`seed`: expected 0 or more"),
    ]
    for call, told in calls:
        with pytest.raises(UsageError, match=told):
            made(tmp_path, call.pop("content", ""), **({} if "valid" in call else ALL) | call)


def test_what_is_in_memory_grows_by_numbers_alone(tmp_path: Path) -> None:
    """Of the texts nothing stays; of each pair where its sides begin and its place in the order."""
    peaks = []
    for count in (2_500, 4_500):
        content = "".join(f"{'source ' * 80}{n % 7}\t{'target ' * 80}{n % 5}\n" for n in range(count))
        (tmp_path / "file").write_text(content)
        options = pair_options("pairs")
        tracemalloc.start()
        prepare_pairs([tmp_path / "file"], tmp_path / "made.h5", options, force=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2_000 * 150 < len(content) / 8
