"""`gpurnn predict`, `gpurnn evaluate` and the front door with models of pairs and captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from predicting import CPU, answer, process
from trained import documents, make_corpus

import gpurnn
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.evaluation.pair_scores import PairScores
from gpurnn.exceptions import DataError, UsageError
from gpurnn.training.config import TrainConfig
from gpurnn.training.decoding import Decoding
from gpurnn.training.model_file import write_model
from tests.pairmodels import KINDS, greedy, logs_of, model_of
from tests.pairs import LETTERS, NUMBERS, SOUNDS, captioned, paired, some_pairs

SOURCES = ["abc", "face", "gag", "bad", "a", "deaf"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sounds.h5, captions.h5 and models of them: sounds, looking (with attention) and captions."""
    made = tmp_path_factory.mktemp("pairs")
    for name, kind in (("sounds", "both directions"), ("looking", "dot"), ("captions", "vectors")):
        corpus = made / f"{name}.h5"
        if name != "captions":
            paired(corpus, some_pairs(30, (9, 7)), split="valid").corpus.close()
        else:
            captioned(corpus, [n for _, n in some_pairs(30, (9, 7))]).corpus.close()
        model = model_of(**KINDS[kind])
        with Corpus.open(corpus) as opened:
            language = PairLanguage.of(opened)
        config = TrainConfig(model.config, bptt=12, target_bptt=8 if name != "captions" else 0, layout="whole")
        write_model(made / name, model, language, config)
    return made


def run(command: str, *arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments), *CPU], **options)


def texts(kind: str, sources: list[np.ndarray], width: int = 1, **more: Any) -> list[list[tuple[str, float]]]:
    found = Decoding(model_of(**KINDS[kind]), **more).beam(sources, width, width)
    return [[("".join(SOUNDS[n] for n in each.symbols), each.score) for each in one] for one in found]


def symbols(source: str) -> np.ndarray:
    return np.array([LETTERS.index(letter) for letter in source])


def test_sources_come_back_with_their_texts(folder: Path) -> None:
    expected = texts("both directions", [symbols(each) for each in SOURCES], 3)
    done = run(
        "predict",
        folder / "sounds",
        "-",
        "--beam",
        3,
        "--n-best",
        3,
        "--probabilities",
        input="\n".join(SOURCES) + "\n",
    )
    assert done.exit_code == 0
    assert "that came to no end" in done.stderr
    wanted = [(source, *each) for source, found in zip(SOURCES, expected, strict=True) for each in found]
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        [source, text, f"{score:.6f}"] for source, text, score in wanted
    ]


def test_a_source_is_answered_while_the_pipe_is_open(folder: Path) -> None:
    ((first, _),), ((second, _),) = texts("both directions", [symbols("face"), symbols("gag")])
    with process(folder / "sounds", "-") as child:
        assert answer(child, "face\n") == f"face\t{first}\n"
        assert answer(child, "gag\n") == f"gag\t{second}\n"


def test_what_is_said_at_the_end(folder: Path) -> None:
    done = run("predict", folder / "sounds", "-", "--max-length", 1, input="abc\n\nxyz\n")
    assert done.exit_code == 0
    assert [len(line.split("\t")[1]) <= 1 for line in done.stdout.splitlines()] == [True] * 3
    assert "of 1 source without a symbol nothing was made; the first: standard input, line 2" in done.stderr
    assert "that came to no end; the first: standard input, line 1" in done.stderr
    assert "3 symbols that the model has not met, such as 'x', were read as 'g': its vocab" in done.stderr


def test_an_alignment_says_where_each_symbol_comes_from(folder: Path) -> None:
    found = list(greedy(Decoding(model_of(**KINDS["dot"]), attended=True), [symbols(each) for each in SOURCES]))
    places = [[] if each.attended is None else each.attended.tolist() for each in found]
    assert len({place for each in places for place in each}) > 2
    done = run("predict", folder / "looking", "-", "--alignment", input="\n".join(SOURCES) + "\n")
    assert done.exit_code == 0
    assert [line.split("\t")[2].split() for line in done.stdout.splitlines()] == [
        [f"{place}-{number}" for number, place in enumerate(each)] for each in places
    ]
    done = run("predict", folder / "looking", "-", "--alignment", "--jsonl", input="\n".join(SOURCES) + "\n")
    assert [json.loads(line)["alignment"] for line in done.stdout.splitlines()] == places


def test_each_vector_has_a_line(folder: Path, tmp_path: Path) -> None:
    vectors = np.random.default_rng(4).normal(size=(20, NUMBERS)).astype(np.float32)
    np.save(tmp_path / "some.npy", vectors)
    expected = texts("vectors", list(vectors), longest=12)
    done = run("predict", folder / "captions", tmp_path / "some.npy")
    assert (done.exit_code, done.stdout.splitlines()) == (0, [found[0][0] for found in expected])
    done = run("predict", folder / "captions", tmp_path / "some.npy", "--jsonl", "--probabilities")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["row"] for line in lines] == list(range(20))
    assert [(line["target"], line["log_probability"]) for line in lines] == [
        (text, round(score, 6)) for ((text, score),) in expected
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("sounds", "-", "--alignment"), "--alignment: the model was trained without --attention"),
        (("sounds", "-", "--n-best", "2"), "a beam of 1 has no more than 1; use --beam 2"),
        (("sounds", "-", "--state", "s"), "--state is for models of measured series"),
        (("captions", "-"), "not of standard input"),
        (("captions", "f.npy", "--plain"), "--plain is for models of labels, tags and pairs"),
        (("captions", "no.npy"), "cannot read the vectors"),
        (("captions", "wide.npy"), "its vectors have 5 numbers, the model reads 3"),
    ],
)
def test_what_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: str
) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((2, 5)))
    monkeypatch.chdir(tmp_path)
    done = run("predict", folder / arguments[0], *arguments[1:], input="a\n")
    assert (done.exit_code, done.stdout) == (2 if "--" in error else done.exit_code, "")
    assert error in done.stderr
    assert done.exit_code in (1, 2)


def test_evaluate_says_how_good_the_texts_are(folder: Path) -> None:
    done = run("evaluate", folder / "sounds", folder / "sounds.h5", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {"pairs", "exact", "symbol_error", "word_error", "chrf", "bleu"} <= set(found)
    assert found["pairs"] == 30
    done = run("evaluate", folder / "captions", folder / "captions.h5", "--split", "train")
    assert done.exit_code == 0
    assert "  pairs 30, sources 30, loss " in done.stdout
    assert "copy of the source" not in done.stdout
    for option, error in ((("--lanes", "2"), "side by side as they are"), (("--plot", "x.svg"), "nothing to draw")):
        done = run("evaluate", folder / "sounds", folder / "sounds.h5", *option)
        assert (done.exit_code, error in done.stderr) == (2, True)


def test_a_text_is_drawn_from_a_vector(folder: Path, tmp_path: Path) -> None:
    """Without chance it is the one that predict prints; with it, the same of the same seed, as the library draws it."""
    vectors = np.random.default_rng(4).normal(size=(4, NUMBERS)).astype(np.float32)
    np.save(tmp_path / "some.npy", vectors)
    model = gpurnn.load(folder / "captions", device="cpu")
    best = model.translate(vectors, max_length=100)
    assert len({text for text in best if len(text) < 90}) > 1, "some end by themselves"
    for row, text in enumerate(best):
        more = ("--vector", tmp_path / "some.npy", "--row", row, "--temperature", 0, "--length", 99)
        assert run("sample", folder / "captions", *more).stdout.rstrip("\n") == text
        assert model.generate(vector=vectors[row], length=99, temperature=0) == text
    drawing = ("--vector", tmp_path / "some.npy", "--seed", 5, "--temperature", 2.0)
    done = run("sample", folder / "captions", *drawing, "-n", 3)
    drawn = [model.generate(vector=vectors[0].tolist(), seed=5 + n, temperature=2.0) for n in range(3)]
    shown = "".join(f"--- {n} of 3 ---\n{text}\n" for n, text in enumerate(drawn, 1))
    assert done.stdout == shown.replace("\n\n", "\n")  # of one without symbols
    assert len(set(drawn)) == 3
    seed, whole = next((n, text) for n in range(99) if len(text := model.generate(vector=vectors[1], seed=n)) > 4)
    assert model.generate(vector=vectors[1], seed=seed, length=3) == whole[:3]
    stop = whole[2:4]
    assert model.generate(vector=vectors[1], seed=seed, stop=stop) == whole[: whole.index(stop)]


def test_symbols_are_drawn_as_likely_as_the_model_says(folder: Path) -> None:
    """The first one, from one vector, by many seeds."""
    vector = np.array([0.5, -1.0, 0.25], np.float32)
    model = gpurnn.load(folder / "captions", device="cpu")
    expected = np.exp(logs_of(model.model, vector, [len(SOUNDS)])[0] / 4)
    expected /= expected.sum()
    drawn = [model.generate(vector=vector, length=1, seed=seed, temperature=4.0) for seed in range(250)]
    found = np.array([drawn.count(text) for text in (*SOUNDS, "")]) / len(drawn)
    np.testing.assert_allclose(found, expected, atol=4 * 0.5 / 250**0.5)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("captions",), 2, "a model of captions makes texts from vectors; give --vector"),
        (("captions", "--vector", "wide.npy"), 1, "wide.npy: its vectors have 5 numbers, the model reads 3"),
        (("captions", "--vector", "objects.npy"), 1, "it holds Python objects, which are not read"),
        (("captions", "--vector", "nan.npy", "--row", "1"), 1, "row 1 (the first is 0) has a number that is none, nan"),
        (("captions", "--vector", "nan.npy", "--row", "2"), 2, "--row 2: nan.npy has 2 rows, the first one is 0"),
        (("captions", "--vector", "no.npy"), 1, "no.npy: cannot read the vectors: No such file"),
        (("captions", "--vector", "nan.npy", "--prompt", "a"), 2, "the text begins with what is made from it"),
        (("captions", "--row", "1"), 2, "--row is that of a file of vectors; give --vector, too"),
        (("sounds", "--vector", "nan.npy"), 1, "a model of pairs, which gpurnn sample is not for; use gpurnn predict"),
    ],
)
def test_what_no_text_is_drawn_from(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((2, 5)))
    np.save("nan.npy", np.array([[1, 2, 3], [4, np.nan, 5]]))
    np.save("objects.npy", np.array([[{}]]), allow_pickle=True)
    done = run("sample", folder / arguments[0], *arguments[1:])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert error in done.stderr


def test_vectors_that_the_front_door_refuses(folder: Path) -> None:
    model = gpurnn.load(folder / "captions", device="cpu")
    for wrong in ([1.0, 2.0], [1.0, 2.0, float("nan")], "abc", np.zeros((1, 3)), object()):
        with pytest.raises(UsageError, match=r"^vector: expected 3 finite numbers$"):
            model.generate(vector=wrong)
    with pytest.raises(UsageError, match="give it no prompt"):
        model.generate("a", vector=[1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="temperature: expected"):
        model.generate(vector=[1.0, 2.0, 3.0], temperature=-1)


@pytest.mark.parametrize("name", ["sounds", "captions"])
def test_evaluate_judges_what_predict_prints(folder: Path, tmp_path: Path, name: str) -> None:
    """With a beam, too, and with the length at which a text is cut."""
    split = "valid" if name == "sounds" else "train"
    with Corpus.open(folder / f"{name}.h5") as corpus:
        pairs = list(pairs_of(corpus.split(split)))
    if name == "sounds":
        given = "".join("".join(LETTERS[n] for n in source) + "\n" for source, _ in pairs)
        lines = run("predict", folder / name, "-", "--beam", 4, input=given).stdout.splitlines()
        made = [line.split("\t")[1] for line in lines]
    else:
        np.save(tmp_path / "v.npy", np.array([vector for vector, _ in pairs]))
        made = run("predict", folder / name, tmp_path / "v.npy", "--beam", 4).stdout.splitlines()
    scores, references = PairScores("chars"), dict[bytes, list[str]]()
    for source, target in pairs:
        references.setdefault(source.tobytes(), []).append("".join(SOUNDS[n] for n in target))
    for (source, _), text in zip(pairs, made, strict=True):
        if source.tobytes() in references:
            scores.add(text, references.pop(source.tobytes()))
    found, greedy = (
        json.loads(run("evaluate", folder / name, folder / f"{name}.h5", "--split", split, *more, "--json").stdout)
        for more in (("--beam", 4), ())
    )
    expected = scores.score.to_json()
    assert {key: found[key] for key in expected} == expected != {key: greedy[key] for key in expected}
    assert found.keys() == greedy.keys()


def test_a_beam_is_for_what_makes_texts(tmp_path: Path) -> None:
    make_corpus(tmp_path / "t.h5", documents(24))
    done = CliRunner().invoke(
        main, ["train", str(tmp_path / "t.h5"), "-o", str(tmp_path / "r"), "--windows", "1", *CPU]
    )
    assert done.exit_code == 0
    done = run("evaluate", tmp_path / "r", "--beam", 2)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--beam: nothing is made by a model of text; leave it out" in done.stderr


def test_the_front_door_translates(folder: Path) -> None:
    model = gpurnn.load(folder / "sounds", device="cpu")
    sources = [symbols(each) for each in SOURCES]
    assert model.translate(SOURCES) == [found[0][0] for found in texts("both directions", sources)]
    expected = texts("both directions", sources, 3)
    for found, wanted in zip(model.translate(SOURCES, beam=3, n_best=2), expected, strict=True):
        assert [text for text, _ in found] == [text for text, _ in wanted[:2]]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in wanted[:2]])
    assert all(len(text) <= 2 for text in model.translate(SOURCES, max_length=2))
    assert "makes 5 chars" in repr(model)
    with pytest.raises(DataError, match=r"number 1 \(the first is 0\) is empty"):
        model.translate(["a", ""])
    for wrong in ("abc", [1]):
        with pytest.raises(UsageError, match="sources"):
            model.translate(wrong)


def test_the_front_door_makes_texts_of_vectors(folder: Path) -> None:
    model = gpurnn.load(folder / "captions", device="cpu")
    vectors = np.random.default_rng(4).normal(size=(5, NUMBERS)).astype(np.float32)
    assert model.translate(vectors) == [found[0][0] for found in texts("vectors", list(vectors), longest=12)]
    with pytest.raises(UsageError, match="expected 3 finite numbers"):
        model.translate([[1.0, 2.0]])
