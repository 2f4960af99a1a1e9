"""`gpurnn predict` with models of labels and tags: a file, a live pipe, stops, and what cannot be read."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from predicting import CPU, answer, process

import gpurnn
from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.training.labeller import Labeller
from gpurnn.training.load import load_trained

GOOD, BAD = ["good", "fine", "nice"], ["bad", "poor", "sad"]
OTHER = ["the", "food", "of", "this", "that", "town", "was", "is"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts and sentences, test.tsv and test.conll of them apart, and a run on each: mood, names and spelt."""
    made = tmp_path_factory.mktemp("labelled")
    draw = random.Random(3)
    for name, count in (("train", 150), ("test", 60)):
        rows, sentences = ["label\ttext\n"], []
        for _ in range(count):
            words, mood = draw.choices(OTHER, k=draw.randint(1, 6)), draw.randrange(2)
            words.insert(draw.randrange(len(words)), draw.choice((BAD, GOOD)[mood]))
            rows.append(f"{('neg', 'pos')[mood]}\t{' '.join(words)}\n")
            sentences.append("".join(f"{word}\t{'O' if word in OTHER else 'B-MOOD'}\n" for word in words))
        (made / f"{name}.tsv").write_text("".join(rows))
        (made / f"{name}.conll").write_text("# made\n" + "\n".join(sentences))
    for run, end, options in (
        ("mood", "tsv", {"labels": True}),
        ("names", "conll", {"tags": True}),
        ("spelt", "conll", {"tags": True, "tokens": "chars"}),
    ):
        corpus = gpurnn.prepare(made / f"train.{end}", made / f"{run}.h5", test=made / f"test.{end}", **options)
        gpurnn.train(corpus, made / run, device="cpu", windows=20, hidden=8, lanes=8, bptt=64, lr=0.01, dtype="float64")
    return made


def run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments), *CPU], **options)  # type: ignore[arg-type]


def expected(folder: Path, name: str) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The logarithms of the probabilities of the test split of a run's corpus, and the labels."""
    trained = load_trained(folder / name, backend.get("cpu"))
    labeller = Labeller(trained.model, trained.config, trained.labelling.what == "labels")
    with Corpus.open(folder / f"{name}.h5") as corpus:
        given = (values for values, _ in sequences_of(corpus.split("test")))
        return list(labeller.log_probabilities(given)), trained.labelling.labels


def test_a_table_comes_back_with_the_labels_of_its_corpus(folder: Path) -> None:
    done = run(folder / "mood", folder / "test.tsv", "--probabilities")
    assert (done.exit_code, done.stderr) == (0, "")
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert header == ["label", "text", "predicted_label", "probability"]
    assert [row[:2] for row in rows] == [
        line.split("\t") for line in (folder / "test.tsv").read_text().splitlines()[1:]
    ]
    logs, labels = expected(folder, "mood")
    for row, each in zip(rows, logs, strict=True):
        assert row[2] == labels[each.argmax()]
        assert abs(float(row[3]) - np.exp(each.max())) < 1e-6
    assert len({row[2] for row in rows}) == 2


def test_columns_come_back_with_the_tags_of_their_corpus(folder: Path) -> None:
    done = run(folder / "names", folder / "test.conll")
    assert (done.exit_code, done.stderr) == (0, "")
    given, lines = (folder / "test.conll").read_text().splitlines(), done.stdout.splitlines()
    logs, labels = expected(folder, "names")
    tags = iter([labels[number] for each in logs for number in each.argmax(axis=1).tolist()])
    assert lines == [f"{line}\t{next(tags)}" if "\t" in line else line for line in given]
    assert next(tags, None) is None


def test_words_that_are_spelt_have_the_mean_of_their_characters(folder: Path) -> None:
    sentences = [block.split() for block in (folder / "test.conll").read_text().removeprefix("# made\n").split("\n\n")]
    done = run(folder / "spelt", "-", "--plain", "--jsonl", "--probabilities", input=plain(sentences))
    assert (done.exit_code, done.stderr) == (0, "")
    logs, labels = expected(folder, "spelt")
    for line, words, each in zip(done.stdout.splitlines(), sentences, logs, strict=True):
        found = json.loads(line)
        assert found["words"] == words[::2]
        shares, begin = np.exp(each[:, :-1]), 0
        assert labels[-1] == " "
        for word, tag, by_tag in zip(words[::2], found["tags"], found["probabilities"], strict=True):
            own = shares[begin : begin + len(word)]
            mean = (own / own.sum(axis=1, keepdims=True)).mean(axis=0)
            np.testing.assert_allclose([by_tag[label] for label in labels[:-1]], mean, rtol=0, atol=1e-6)
            assert tag == labels[mean.argmax()]
            begin += len(word) + 1


def plain(sentences: list[list[str]]) -> str:
    """The words of sentences of words and tags in turn, a line each."""
    return "".join(f"{' '.join(words[::2])}\n" for words in sentences)


def test_a_line_of_a_live_pipe_is_answered_at_once(folder: Path) -> None:
    with process(folder / "mood", "-") as child:
        for line in ("good food\n", "the town was sad\n", "\n", "so\n"):
            found = answer(child, line)
            assert found.endswith(f"\t{line}") and found.count("\n") == 1
    with process(folder / "names", "-") as child:
        assert answer(child, "the\nfood\n\n", 3).splitlines()[2] == ""
        assert answer(child, "a\n\nsad\nday\n\n", 5).count("\t") == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_between_lines(folder: Path, number: signal.Signals, code: int) -> None:
    with process(folder / "mood", "-") as child:
        assert child.stdin is not None
        assert answer(child, "good food\n").endswith("\tgood food\n")
        child.stdin.write(b"half a li")
        child.stdin.flush()
        child.send_signal(number)
        out, error = child.communicate(timeout=60)
    assert (child.returncode, out) == (code, b"")
    assert error.decode() == f"gpurnn: stopped by {number.name}; nothing is lost\n"


def test_a_reader_that_leaves_ends_it_without_a_word(folder: Path) -> None:
    (folder / "many.txt").write_text("the food was good\n" * 20_000)
    command = [sys.executable, "-m", "gpurnn", "predict", str(folder / "mood"), str(folder / "many.txt"), *CPU]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        os.read(child.stdout.fileno(), 10)
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_what_a_person_is_told_at_the_end(folder: Path) -> None:
    done = run(folder / "mood", "-", input='{"text": "QQ"}\n{"text": ""}\n[]\n', catch_exceptions=False)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "gpurnn: standard input, line 3: expected an object in braces, found '[]'; --bad-rows skip leaves such rows out"
    )
    done = run(folder / "mood", "-", "--bad-rows", "skip", input='{"text": "QQ"}\n{"text": ""}\n[]\n')
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 2
    assert done.stderr.splitlines() == [
        "gpurnn: left out 1 row; the first: standard input, line 3: expected an object in braces, found '[]'",
        "gpurnn: 1 text without a symbol got no label; the first: standard input, line 2",
        "gpurnn: 2 symbols that the model has not met, such as 'Q', were read as a space: its vocabulary has "
        "no unknown symbol",
    ]


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (
            ("mood", "-"),
            b"caf\xe9\n",
            "standard input: byte 3 (e9) is not utf-8: invalid continuation byte; the model ",
        ),
        (
            ("mood", "-"),
            "so".encode("utf-16"),
            "standard input: text in utf-16-le with a byte order mark, not in utf-8; ",
        ),
        (("names", "-"), b"a b\nc\n", "standard input, line 2: 1 column, expected 2 as in the first row; correct it; "),
        (("mood", "-", "--text-column", "x"), b"a\tb\n", "standard input: there is no column 'x' for --text-column; "),
        (("mood", "-", "--state", "s"), b"", "--state is for models of measured series; "),
        (
            ("names", "-", "--text-column", "1", "--text-column", "2"),
            b"",
            "--text-column: a word stands in one column; ",
        ),
        (("names", "-", "--text-column", "1", "--plain"), b"", "--plain contradicts --text-column: "),
        (("mood", "nothing.txt"), b"", "nothing.txt: cannot read the text: No such file or directory"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    folder: Path, arguments: tuple[str, ...], given: bytes, told: str
) -> None:
    done = run(folder / arguments[0], *arguments[1:], input=given)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith(f"gpurnn: {told}") and done.stderr.count("\n") == 1


def test_what_gzip_packed_is_refused_on_a_pipe(folder: Path) -> None:
    with process(folder / "mood", "-") as child:
        out, error = child.communicate(gzip.compress(b"good food\n"), timeout=60)
    told = "gpurnn: standard input: it is packed with gzip; give its name, or pipe it through gunzip -c\n"
    assert (child.returncode, out, error.decode()) == (1, b"", told)
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"good food\n"))
    assert run(folder / "mood", folder / "a.txt.gz").stdout.endswith("\tgood food\n")


@pytest.mark.parametrize(("name", "file"), [("mood", "test.tsv"), ("names", "test.conll"), ("spelt", "test.conll")])
def test_evaluate_measures_the_labels_that_come_back(folder: Path, name: str, file: str) -> None:
    arguments = ["evaluate", str(folder / name), "--split", "test", "--json", *CPU]
    measured = json.loads(CliRunner().invoke(main, arguments).stdout)
    rows = [line.split("\t") for line in run(folder / name, folder / file).stdout.splitlines() if "\t" in line]
    given, found = (0, 2) if name == "mood" else (1, 2)
    right = [row[given] == row[found] for row in rows if row[given] != "label"]
    assert measured["sequences" if name == "mood" else "tokens"] == len(right)
    assert measured["accuracy"] == pytest.approx(np.mean(right), abs=1e-12)


SERIES = [
    ("labels", {"key": "where"}, {}),
    ("labels", {"key": "where"}, {"layout": "through"}),
    ("tags", {"key": "where"}, {"both_directions": True, "bptt": 64}),
    ("tags", {"time": "when", "clock": True, "fill": 2}, {"layout": "through", "bptt": 16}),
    ("tags", {"time": "when"}, {"cut": True, "context": 3, "bptt": 16, "both_directions": True}),
]


@pytest.mark.parametrize(("what", "columns", "settings"), SERIES)
def test_series_too(tmp_path: Path, what: str, columns: dict[str, Any], settings: dict[str, Any]) -> None:
    """What comes back is as right as `evaluate` says of a corpus with all rows of the table in its test split."""
    draw = np.random.default_rng(2)
    keys, table = 1 if "time" in columns else 30, tmp_path / "a.csv"
    lines = ["when,where,x,state,y\n"]
    for key in range(keys):
        state, minute = int(draw.integers(3)), 0
        for _ in range(300 if keys == 1 else int(draw.integers(3, 30))):
            state = int(draw.integers(3)) if what == "tags" and draw.random() < 0.1 else state
            x, y = draw.normal(state), draw.normal(-state)
            lines.append(f"2024-05-01T{minute // 60:02d}:{minute % 60:02d}Z,k{key},{x:.3f},{'abc'[state]},{y:.3f}\n")
            minute += int(draw.choice((1, 2, 9), p=(0.9, 0.08, 0.02))) if keys == 1 else 1
    table.write_text("".join(lines))
    options = {"series": True, what: True, f"{what[:-1]}_column": "state", "columns": "x,y"} | columns
    corpus = gpurnn.prepare(table, tmp_path / "a.h5", split=(0.7, 0.1, 0.2), **options)
    shape = {"device": "cpu", "windows": 15, "hidden": 8, "lanes": 4, "lr": 0.02, "dtype": "float64"}
    gpurnn.train(corpus, tmp_path / "run", **shape, **settings)
    again = {name: value for name, value in options.items() if name not in ("columns", "clock", "fill")}
    whole = gpurnn.prepare(table, tmp_path / "b.h5", columns_from=tmp_path / "run", **again)
    measured = gpurnn.evaluate(tmp_path / "run", whole, "test", device="cpu")
    done = run(tmp_path / "run", table)
    assert (done.exit_code, done.stderr) == (0, "")
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header == ["when", "where", "x", "state", "y", what[:-1]]
    assert [",".join(row[:-1]) + "\n" for row in rows] == lines[1:]
    if what == "labels":
        rows = list({row[1]: row for row in rows}.values())
    right = [row[3] == row[-1] for row in rows]
    filled = measured.count - len(rows)  # rows that `prepare` puts into gaps, which count in the corpus
    assert (filled > 0) == ("time" in columns)
    assert -1e-9 <= measured.accuracy * measured.count - sum(right) <= filled + 1e-9
    assert len({row[-1] for row in rows}) > 1
