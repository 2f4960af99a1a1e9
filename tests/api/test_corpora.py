"""`gpurnn.prepare`: the corpus that the command makes, and an object that stands for it."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from trained import documents

import gpurnn
from gpurnn.cli.main import main
from gpurnn.cli.prepare import prepare as command
from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import DataError, UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("".join(documents(30)))
    Path("texts/b.txt").write_text("".join(documents(9, seed=2)).upper())
    return tmp_path


def test_keywords_are_the_options_of_the_command_with_their_defaults():
    parsed = command.make_context("prepare", ["texts", "-o", "made.h5"]).params
    keywords = inspect.signature(gpurnn.prepare).parameters
    assert set(keywords) - {"on_progress"} == set(parsed)
    for name, value in parsed.items():
        if name not in ("texts", "output"):
            assert keywords[name].default == value, name


def test_it_makes_the_corpus_that_the_command_makes(folder: Path):
    for keywords, options in (
        ({}, []),
        ({"tokens": "words", "min_count": 2, "lower": True}, ["--tokens", "words", "--min-count", "2", "--lower"]),
        (
            {"split": (0.8, 0.2, 0), "document_separator": ".\n"},
            ["--split", "0.8,0.2,0", "--document-separator", ".\\n"],
        ),
        ({"valid": "texts/b.txt", "test": ["texts/b.txt"]}, ["--valid", "texts/b.txt", "--test", "texts/b.txt"]),
        ({"encoding": "latin-1", "newline": "keep"}, ["--encoding", "latin-1", "--newline", "keep"]),
        ({"errors": "replace", "normalise": "NFD"}, ["--errors", "replace", "--normalise", "NFD"]),
    ):
        done = CliRunner().invoke(main, ["prepare", "texts", "-o", "one.h5", "--force", *options])
        made = gpurnn.prepare("texts", "one.h5".replace("one", "two"), force=True, **keywords)
        assert done.exit_code == 0, done.output
        assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()
        assert done.stdout == f"{made}\n".replace("two.h5", "one.h5")
    of_one = gpurnn.prepare(["texts/a.txt", Path("texts/b.txt")], "three.h5")
    assert of_one.fingerprint == gpurnn.prepare("texts", "four.h5").fingerprint
    CliRunner().invoke(main, ["prepare", "texts/a.txt", "-o", "one.h5", "--force", "--vocab-from", "four.h5"])
    gpurnn.prepare("texts/a.txt", "two.h5", force=True, vocab_from=of_one)
    assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()


def test_what_it_returns_stands_for_the_corpus(folder: Path):
    made = gpurnn.prepare("texts", "made.h5")
    assert os.fspath(made) == "made.h5"
    with Corpus.open(made) as corpus:
        assert corpus.fingerprint == made.fingerprint
        assert {name: size.tokens for name, size in made.splits.items()} == corpus.splits


def test_progress(folder: Path):
    seen: list[tuple[str, int, int]] = []
    gpurnn.prepare("texts", "made.h5", on_progress=lambda *progress: seen.append(progress))
    size = sum(path.stat().st_size for path in Path("texts").iterdir())
    assert ("reading", size, size) in seen


def test_what_cannot_be_prepared(folder: Path):
    Path("there.h5").write_text("x")
    for call, error, message in (
        (lambda: gpurnn.prepare("gone.txt", "a.h5"), DataError, "gone.txt: cannot read the text"),
        (lambda: gpurnn.prepare("-", "a.h5"), DataError, "standard input: not available here; give a file"),
        (lambda: gpurnn.prepare("texts", "there.h5"), DataError, "cannot write there.h5: it exists"),
        (lambda: gpurnn.prepare("texts", "a.h5", tokens="char"), UsageError, "tokens: expected one of chars, bytes, "),
        (lambda: gpurnn.prepare("texts", "a.h5", errors="drop"), DataError, "errors is 'drop', expected one of"),
        (lambda: gpurnn.prepare("texts", "a.h5", split=(1, 2)), UsageError, "expected three fractions"),
        (lambda: gpurnn.prepare("texts", "a.h5", split=0.9), UsageError, "`split`: expected three .*, found float"),
        (lambda: gpurnn.prepare("texts", "a.h5", document_separator=5), UsageError, "expected a text, found int"),
    ):
        with pytest.raises(error, match=message):
            call()
    assert sorted(path.name for path in folder.iterdir()) == ["texts", "there.h5"]


def measured(hours: int, first: int = 0) -> str:
    rows = [f"2013-01-{1 + h // 24:02} {h % 24:02}:00,x,{h * h % 17},{h % 24}" for h in range(first, first + hours)]
    return "\n".join(["when,where,a,b", *rows, ""])


def test_of_series_it_makes_the_corpus_that_the_command_makes(folder: Path):
    Path("w.csv").write_text(measured(200))
    for keywords, options in (
        ({"time": "when"}, ["--time", "when"]),
        ({"time": ["when"], "key": "where", "clock": True}, ["--time", "when", "--key", "where", "--clock"]),
        (
            {"time": "when", "columns": ["b", "a"], "fill": 0, "every": "2h", "split": (0.5, 0, 0.5)},
            ["--time", "when", "--columns", "b,a", "--fill", "0", "--every", "2h", "--split", "0.5,0,0.5"],
        ),
        ({"time": "when", "missing": ["-1", "x"]}, ["--time", "when", "--missing", "-1", "--missing", "x"]),
        (
            {"time": "when", "date_order": "month", "decimal": "point", "bad_rows": "skip", "encoding": "latin-1"},
            [
                *("--time", "when", "--date-order", "month", "--decimal", "point"),
                *("--bad-rows", "skip", "--encoding", "latin-1"),
            ],
        ),
    ):
        done = CliRunner().invoke(main, ["prepare", "w.csv", "-o", "one.h5", "--force", "--series", *options])
        made = gpurnn.prepare("w.csv", "two.h5", series=True, force=True, **keywords)
        assert done.exit_code == 0, done.output
        assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()
        assert done.stdout == f"{made}\n".replace("two.h5", "one.h5")
        assert made.kind == "series"
    given = measured(200).encode()
    done = CliRunner().invoke(main, ["prepare", "-", "-o", "one.h5", "--force", "--series", "--time", "when"], given)
    assert done.exit_code == 0, done.output
    gpurnn.prepare("w.csv", "two.h5", series=True, time="when", force=True)
    assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()


def test_the_columns_of_a_run_are_taken_as_those_of_its_corpus(folder: Path):
    Path("w.csv").write_text(measured(300))
    Path("later.csv").write_text(measured(200, 300))
    made = gpurnn.prepare("w.csv", "w.h5", series=True, time="when", clock=True)
    gpurnn.train(made, "run", target="a", ahead="2h", windows=2, hidden=4, lanes=2)
    one = gpurnn.prepare("later.csv", "one.h5", series=True, columns_from=made)
    two = gpurnn.prepare("later.csv", "two.h5", series=True, columns_from="run")
    assert one.fingerprint == two.fingerprint
    assert one.columns.to_json()["names"] == made.columns.to_json()["names"]
    assert {name: split.rows for name, split in one.splits.items()} == {"train": 0, "valid": 0, "test": 200}
    gpurnn.prepare("texts", "text.h5")
    with pytest.raises(DataError, match=r"it holds text .*, no columns; name a corpus of measured series"):
        gpurnn.prepare("later.csv", "three.h5", series=True, columns_from="text.h5")


def test_arguments_of_texts_and_of_series_do_not_mix(folder: Path):
    for keywords, message in (
        ({"series": True}, "`series` needs to know the column of the time; give `time=COLUMN`"),
        ({"series": True, "time": "t", "tokens": "bytes"}, "`tokens` is for texts, not for `series`"),
        ({"series": True, "time": "t", "lower": True}, "`lower` is for texts, not for `series`"),
        ({"time": "t"}, "`time` is for measured series; give `series`, too"),
        ({"missing": "-1"}, "`missing` is for measured series"),
        ({"columns_from": "a.h5"}, "`columns_from` is for measured series"),
    ):
        with pytest.raises(UsageError, match=message):
            gpurnn.prepare("texts", "a.h5", **keywords)


def test_of_labels_and_tags_it_makes_the_corpus_that_the_command_makes(folder: Path):
    rows = [("good" if i % 3 else "bad", f"Post {i}") for i in range(60)]
    Path("a.tsv").write_text("".join(f"{label}\t{i}\t{text}\n" for i, (label, text) in enumerate(rows)))
    Path("a.csv").write_text("mood,title,body\n" + "".join(f"{label},{text},b\n" for label, text in rows))
    Path("a.conll").write_text("".join(f"Ann{i} B-PER\nruns O\n\n" for i in range(40)))
    of_tsv = {"labels": True, "label_column": "first", "text_column": 3}
    in_tsv = ["--labels", "--label-column", "first", "--text-column", "3"]
    for file, keywords, options in (
        ("a.tsv", of_tsv, in_tsv),
        (
            "a.tsv",
            {**of_tsv, "tokens": "words", "min_count": 2, "lower": True, "seed": 5, "split": (0.5, 0.25, 0.25)},
            [*in_tsv, *("--tokens", "words", "--min-count", "2", "--lower", "--seed", "5", "--split", "0.5,.25,.25")],
        ),
        ("a.tsv", {**of_tsv, "valid": "a.tsv", "test": ["a.tsv"]}, [*in_tsv, "--valid", "a.tsv", "--test", "a.tsv"]),
        (
            "a.csv",
            {"labels": True, "label_column": "mood", "text_column": ["title", "body"], "tokens": "bytes"},
            [
                *("--labels", "--label-column", "mood", "--text-column", "title", "--text-column", "body"),
                *("--tokens", "bytes"),
            ],
        ),
        ("a.conll", {"tags": True}, ["--tags"]),
        (
            "a.conll",
            {"tags": True, "tokens": "chars", "tag_column": 2, "text_column": "first"},
            ["--tags", "--tokens", "chars", "--tag-column", "2", "--text-column", "first"],
        ),
    ):
        done = CliRunner().invoke(main, ["prepare", file, "-o", "one.h5", "--force", *options])
        made = gpurnn.prepare(file, "two.h5", force=True, **keywords)
        assert done.exit_code == 0, done.output
        assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()
        assert done.stdout == f"{made}\n".replace("two.h5", "one.h5")
        with Corpus.open(made) as corpus:
            assert made.kind == corpus.kind == ("labels" if "labels" in keywords else "tags")
            assert {name: size.tokens for name, size in made.splits.items()} == corpus.splits
    done = CliRunner().invoke(main, ["prepare", "-", "-o", "one.h5", "--force", *in_tsv], Path("a.tsv").read_bytes())
    assert done.exit_code == 0, done.output
    gpurnn.prepare("a.tsv", "two.h5", force=True, **of_tsv)
    assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()


def test_of_pairs_and_captions_it_makes_the_corpus_that_the_command_makes(folder: Path):
    rows = [(f"word {i}", f"W {i % 7} D") for i in range(60)]
    Path("a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in rows))
    Path("s.txt").write_text("".join(f"{source}\n" for source, _ in rows))
    Path("t.txt").write_text("".join(f"{target}\n" for _, target in rows))
    np.save("v.npy", np.arange(120).reshape(60, 2))
    words = {"target_tokens": "words", "max_length": 6, "seed": 3}
    in_words = ["--target-tokens", "words", "--max-length", "6", "--seed", "3"]
    for files, keywords, options in (
        (["a.tsv"], {"pairs": True, **words}, ["--pairs", *in_words]),
        (
            ["a.tsv"],
            {"pairs": True, "valid": "a.tsv", "tokens": "bytes"},
            ["--pairs", *["--valid", "a.tsv", "--tokens", "bytes"]],
        ),
        (
            [],
            {"pairs": True, "source": "s.txt", "target": ["t.txt"], **words, "split": (0.5, 0.5, 0)},
            ["--pairs", "--source", "s.txt", "--target", "t.txt", *in_words, "--split", "0.5,0.5,0"],
        ),
        (
            ["s.txt"],
            {"vectors": "v.npy", "tokens": "words", "seed": 1},
            ["--vectors", "v.npy", "--tokens", "words", "--seed", "1"],
        ),
    ):
        done = CliRunner().invoke(main, ["prepare", *files, "-o", "one.h5", "--force", *options])
        made = gpurnn.prepare(files, "two.h5", force=True, **keywords)
        assert done.exit_code == 0, done.output
        assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()
        assert done.stdout == f"{made}\n".replace("two.h5", "one.h5")
        with Corpus.open(made) as corpus:
            assert made.kind == corpus.kind == ("pairs" if "pairs" in keywords else "captions")
            assert {name: size.tokens for name, size in made.splits.items()} == corpus.splits
            there = sum(size.documents for size in made.splits.values())
            assert (there, made.left_out) == (
                (10, 50) if "max_length" in keywords else (120 if "valid" in keywords else 60, 0)
            )
    done = CliRunner().invoke(main, ["prepare", "-", "-o", "one.h5", "--force", "--pairs"], Path("a.tsv").read_bytes())
    gpurnn.prepare("a.tsv", "two.h5", force=True, pairs=True)
    assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()


def test_of_series_with_labels_and_tags_it_makes_the_corpus_that_the_command_makes(folder: Path):
    rows = [f"{i // 4},{i % 4},{'xy'[i // 4 % 2]},{'on' if i % 3 else 'off'}" for i in range(80)]
    Path("m.csv").write_text("\n".join(["id,v,kind,tag", *rows, ""]))
    for keywords, options in (
        (
            {"labels": True, "label_column": "kind", "key": "id", "seed": 2, "columns": "v"},
            ["--labels", "--label-column", "kind", "--key", "id", "--seed", "2", "--columns", "v"],
        ),
        (
            {"labels": True, "label_column": "kind", "key": "id", "columns": "v", "valid": "m.csv", "test": ["m.csv"]},
            [
                "--labels",
                "--label-column",
                "kind",
                "--key",
                "id",
                "--columns",
                "v",
                "--valid",
                "m.csv",
                "--test",
                "m.csv",
            ],
        ),
        ({"tags": True, "columns": ["v"]}, ["--tags", "--columns", "v"]),
        ({"tags": True, "columns_from": "first.h5"}, ["--tags", "--columns-from", "first.h5"]),
    ):
        done = CliRunner().invoke(main, ["prepare", "m.csv", "-o", "one.h5", "--force", "--series", *options])
        made = gpurnn.prepare("m.csv", "two.h5", force=True, series=True, **keywords)
        assert done.exit_code == 0, done.output
        assert Path("one.h5").read_bytes() == Path("two.h5").read_bytes()
        assert done.stdout == f"{made}\n".replace("two.h5", "one.h5")
        with Corpus.open(made) as corpus:
            assert made.kind == corpus.kind == ("labels" if "labels" in keywords else "tags")
            assert {name: split.rows for name, split in made.splits.items()} == corpus.splits
            assert corpus.labels == (("x", "y") if "labels" in keywords else ("off", "on"))
        Path("two.h5").rename("first.h5")
    made = gpurnn.prepare("m.csv", "one.h5", force=True, series=True, tags=True, columns="v")
    gpurnn.train(made, "run", windows=1, hidden=4)
    known = gpurnn.prepare("m.csv", "three.h5", series=True, tags=True, columns_from="run")
    with Corpus.open(known) as corpus:
        assert corpus.labels == ("off", "on") and corpus.splits == {"train": 0, "valid": 0, "test": 80}
    with pytest.raises(UsageError, match="what `columns_from` names has no labels; name a corpus or run of labels"):
        gpurnn.prepare("m.csv", "four.h5", series=True, labels=True, label_column="kind", key="id", columns_from="run")


def test_arguments_of_other_kinds_do_not_mix_with_those_of_labels_and_tags(folder: Path):
    for keywords, message in (
        ({"labels": True, "tags": True}, "`labels` contradicts `tags`: a corpus is of one kind; leave one of them out"),
        ({"series": True, "time": "t", "labels": True}, "`labels` of `series` are of keys; give `key`, the column"),
        ({"series": True, "labels": True, "text_column": "x"}, "`text_column` is for texts, not for `series`"),
        (
            {"series": True, "tags": True, "document_separator": "x"},
            "`document_separator` is for texts, not for `series`",
        ),
        ({"label_column": "first"}, "`label_column` is for `labels`; give it, too"),
        ({"tags": True, "label_column": "first"}, "`label_column` is for `labels`; give it, too"),
        ({"labels": True, "tag_column": 1}, "`tag_column` is for `tags`; give it, too"),
        ({"text_column": 1}, "`text_column` is for `labels` and `tags`; give one of them, too"),
        ({"seed": 1}, "`seed` is for `labels`, `tags`, `pairs`, `vectors` and `frames`; give one of them, too"),
        ({"pairs": True, "tags": True}, "`tags` contradicts `pairs`: a corpus is of one kind; leave one of them out"),
        ({"pairs": True, "series": True}, "`pairs` is for texts, not for `series`; leave one of them out"),
        ({"vectors": "a.npy", "target_tokens": "words"}, "`target_tokens` is for `pairs`; give it, too"),
        ({"source": "a"}, "`source` is for `pairs`; give it, too"),
        ({"pairs": True, "target_tokens": "word"}, "target_tokens: expected one of chars, bytes, words"),
        ({"tags": True, "document_separator": "x"}, "`document_separator` is for texts, not for `tags`"),
        ({"labels": True, "key": "x"}, "`key` is for measured series"),
        ({"labels": True, "tokens": "char"}, "tokens: expected one of chars, bytes, words"),
        ({"labels": True, "text_column": 2.5}, "`text_column`: expected names or numbers, found float"),
        ({"labels": True, "valid": "texts", "split": (1, 0, 0)}, "`split` contradicts `valid` and `test`"),
    ):
        with pytest.raises(UsageError, match=message):
            gpurnn.prepare("texts", "a.h5", **keywords)
    assert [path.name for path in folder.iterdir()] == ["texts"]
