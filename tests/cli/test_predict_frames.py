"""`gpurnn predict` with a model of frames: files, lists of them, frames as they come, and what cannot be read."""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from predicting import CPU, answer, process

from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.frames.files import read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.training.alignments import log_probability
from gpurnn.training.config import TrainConfig
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from gpurnn.training.transcriber import Transcriber
from tests.framemodels import WIDTH, frames_of, heard_by
from tests.trained import documents, make_corpus, make_run

LABELS = Vocabulary("chars", "tide so")
MANY = [f"{number:02d}.npy" for number in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with frames in parts/, models one (of one direction) and both, and a run of text, lm."""
    made = tmp_path_factory.mktemp("frames")
    (made / "parts").mkdir()
    for name, frames in zip(MANY, frames_of(20), strict=True):
        np.save(made / "parts" / name, frames)
    both = {"stack": ("both_directions",), "start": "zero"}
    for name, settings in (("one", {"form": FrameForm("arrays", WIDTH, splice=1, skip=2)}), ("both", both)):
        model, transcription = heard_by(backend.get("cpu"), LABELS, **settings)
        write_model(made / name, model, transcription, TrainConfig(model.config))
    make_run(backend.get("cpu"), make_corpus(made / "lm.h5", documents(40)), made / "lm")
    return made


def run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments), *CPU], **options)  # type: ignore[arg-type]


def logs_of(folder: Path, model: str) -> list[np.ndarray]:
    """What a model says of each file."""
    trained = load_trained(folder / model, backend.get("cpu"))
    sequences = []
    for name in MANY:
        frames = read_frames(folder / "parts" / name, trained.transcription.form).copy()
        trained.transcription.columns.scaled(frames, frames)
        sequences.append(frames)
    return list(Transcriber(trained.model, trained.config).log_probabilities(sequences))


def greedy(logs: np.ndarray) -> tuple[str, list[int]]:
    """The text and where its symbols begin."""
    blank = len(LABELS)
    labels = [blank, *logs.argmax(axis=1).tolist()]
    found = [(b, at) for at, (a, b) in enumerate(pairwise(labels)) if b not in (a, blank)]
    return LABELS.decode(label for label, _ in found), [at for _, at in found]


def list_of(folder: Path, text: str, name: str = "list.txt") -> Path:
    (folder / "parts" / name).write_text(text)
    return folder / "parts" / name


@pytest.mark.parametrize("model", ["one", "both"])
def test_files_of_a_list_come_back_with_their_texts(folder: Path, model: str) -> None:
    done = run(folder / model, list_of(folder, "\n".join(MANY)))
    assert (done.exit_code, done.stderr) == (0, "")
    texts = [greedy(logs)[0] for logs in logs_of(folder, model)]
    assert done.stdout.splitlines() == [f"{name}\t{text}" for name, text in zip(MANY, texts, strict=True)]
    assert len(set(texts)) > 10


@pytest.mark.parametrize(
    ("name", "text", "header", "before"),
    [
        ("list", "05.npy\tright\n\n07.npy\tright\n", [], "{name}\tright"),
        ("list.tsv", "5\t05.npy\n7\t07.npy\n", None, ""),
        ("list.tsv", "id\tpath\n5\t05.npy\n7\t07.npy\n", ["id\tpath\ttext"], "{number}\t{name}"),
        ("list", "frames\ttext\n05.npy\tr\n07.npy\tr\n", ["frames\ttext\tpredicted_text"], "{name}\tr"),
    ],
)
def test_lists_may_be_tables(folder: Path, name: str, text: str, header: list[str] | None, before: str) -> None:
    done = run(folder / "both", list_of(folder, text, name))
    if header is None:  # the file is named in another column than the first, and none is called so
        assert done.exit_code == 1
        assert "line 1: " in done.stderr and "its name does not end with .npy" in done.stderr
        return
    logs = logs_of(folder, "both")
    expected = [before.format(name=MANY[number], number=number) + "\t" + greedy(logs[number])[0] for number in (5, 7)]
    assert (done.exit_code, done.stdout.splitlines()) == (0, header + expected)


def test_json_lines(folder: Path) -> None:
    lines = [{"audio_filepath": "05.npy", "text": "right"}, {"frames": "07.npy", "n": 1}]
    file = list_of(folder, "".join(json.dumps(line) + "\n" for line in lines), "list.jsonl")
    done = run(folder / "one", file, "--times", "--probabilities")
    assert done.exit_code == 0, done.stderr
    for line, given, number in zip(done.stdout.splitlines(), lines, (5, 7), strict=True):
        logs = logs_of(folder, "one")[number]
        text, begins = greedy(logs)
        found = json.loads(line)
        assert {name: found.pop(name) for name in given} == given
        score = log_probability(logs, LABELS.encode(text))
        assert found.pop("log_probability") == pytest.approx(score, abs=1e-6)
        assert list(found.values()) == [text, [2 * begin for begin in begins]]  # every second frame is heard


def test_a_file_itself_and_where_its_symbols_begin(folder: Path) -> None:
    path = folder / "parts" / MANY[-1]
    text, begins = greedy(logs_of(folder, "both")[-1])
    done = run(folder / "both", path, "--times")
    assert done.stdout == f"{path}\t{text}\t{' '.join(map(str, begins))}\n"
    done = run(folder / "both", path, "--jsonl")
    assert json.loads(done.stdout) == {"frames": str(path), "text": text}
    done = run(folder / "both", folder / "missing.npy")
    assert done.exit_code == 1
    assert done.stderr == f"gpurnn: {folder}/missing.npy: cannot read the frames: No such file or directory\n"


def test_beams_with_a_language_model_and_words(folder: Path) -> None:
    words = folder / "words.txt"
    words.write_text("tide so it do te\n")
    trained, logs = load_trained(folder / "both", backend.get("cpu")), logs_of(folder, "both")
    texts = set()
    for settings, options in (
        ({"beam": 4, "n_best": 3}, ("--beam", 4, "--n-best", 3)),
        ({"lm": folder / "lm", "lm_weight": 0.8}, ("--lm", folder / "lm", "--lm-weight", 0.8)),
        ({"words": words}, ("--words", words)),
    ):
        hearing = Hearing.of(trained, on_warning=lambda told: None, **settings)  # type: ignore[arg-type]
        expected = [
            f"{name}\t{LABELS.decode(each.labels)}\t{each.score:.6f}"
            for name, found in zip(MANY, hearing.texts(logs), strict=True)
            for each in found
        ]
        done = run(folder / "both", list_of(folder, "\n".join(MANY)), "--probabilities", *options)
        assert (done.exit_code, done.stdout.splitlines()) == (0, expected)
        texts.add(done.stdout)
    assert len(texts) == 3
    assert {word for line in expected for word in line.split("\t")[1].split()} <= set(words.read_text().split())


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (None, "cannot read the frames: No such file or directory"),
        (np.zeros((4, WIDTH + 1)), f"it has {WIDTH + 1} numbers a frame"),
        (np.full((4, WIDTH), np.nan), "nan"),
        (np.zeros((0, WIDTH)), "it has no frames"),
        (np.array([[{}] * WIDTH]), "Python objects"),
    ],
)
def test_a_file_that_cannot_be_read(folder: Path, array: np.ndarray | None, error: str) -> None:
    bad = folder / "parts" / "bad.npy"
    bad.unlink(missing_ok=True)
    if array is not None:
        np.save(bad, array, allow_pickle=True)
    file = list_of(folder, "05.npy\nbad.npy\n07.npy\n")
    done = run(folder / "both", file)
    logs = logs_of(folder, "both")
    first, second = (f"{MANY[number]}\t{greedy(logs[number])[0]}\n" for number in (5, 7))
    assert (done.exit_code, done.stdout) == (1, first)
    assert f"gpurnn: {file}, line 2: {bad}: " in done.stderr and error in done.stderr
    assert "--bad-rows skip leaves such rows out" in done.stderr
    done = run(folder / "both", file, "--bad-rows", "skip")
    assert (done.exit_code, done.stdout) == (0, first + second)
    assert f"left out 1 row; the first: {file}, line 2: {bad}: " in done.stderr


def test_a_file_is_answered_while_the_pipe_is_open(folder: Path) -> None:
    texts = [greedy(logs)[0] for logs in logs_of(folder, "both")]
    with process(folder / "both", "-") as child:
        for number in (3, 9):
            name = folder / "parts" / MANY[number]
            assert answer(child, f"{name}\n") == f"{name}\t{texts[number]}\n"


def test_symbols_are_printed_as_they_are_heard(folder: Path) -> None:
    frames = frames_of(20)[-1]
    text, begins = greedy(logs_of(folder, "one")[-1])
    with process(folder / "one", "-", "--rows") as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        heard = ""
        for place, frame in enumerate(frames.tolist()):
            child.stdin.write((" ".join(map(str, frame)) + "\n").encode())
            child.stdin.flush()
            # what is heard in frame 2n is told when the frame behind it, to which it is spliced, has come
            while len(heard) < sum(2 * begin + 1 <= place for begin in begins):
                assert select.select([child.stdout], [], [], 60)[0]
                heard += os.read(child.stdout.fileno(), 1 << 16).decode()
        assert answer(child, "\n") == text[len(heard) :] + "\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
        assert child.stderr.read() == b"gpurnn: stopped by SIGINT; nothing is lost\n"


def test_a_reader_that_leaves_ends_it_without_a_word(folder: Path) -> None:
    row = b"9 -9 9\n-9 9 -9\n\n"
    with process(folder / "one", "-", "--rows") as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        child.stdout.close()
        with suppress(BrokenPipeError):
            while True:
                os.write(child.stdin.fileno(), row)
        assert child.wait(60) == 0
        assert child.stderr.read() == b""


def test_a_signal_ends_it_before_a_long_list_does(folder: Path) -> None:
    count = 6_000
    file = list_of(folder, f"{MANY[0]}\n" * count, "long.txt")
    with process(folder / "one", file) as child:
        assert child.stdout is not None and child.stderr is not None
        found = os.read(child.stdout.fileno(), 1)
        child.send_signal(signal.SIGINT)
        lines = (found + child.stdout.read()).splitlines(keepends=True)
        assert child.wait(60) == 130
        assert child.stderr.read() == b"gpurnn: stopped by SIGINT; nothing is lost\n"
    assert 0 < len(lines) < count - 1_000 and len(set(lines)) == 1 and lines[0].endswith(b"\n")


def test_rows_of_a_file(folder: Path) -> None:
    file = folder / "rows.csv"
    file.write_text("\n".join(",".join(map(str, frame)) for frame in frames_of(20)[-1].tolist()) + "\nno,thing\n")
    done = run(folder / "one", file, "--rows", "--bad-rows", "skip")
    assert (done.exit_code, done.stdout) == (0, greedy(logs_of(folder, "one")[-1])[0] + "\n")
    assert done.stderr == f"gpurnn: left out 1 row; the first: {file}, line 21: expected 3 numbers, found 2\n"


@pytest.mark.parametrize(
    ("model", "options", "error"),
    [
        ("both", ("--rows",), "--rows: the model reads in both directions"),
        ("one", ("--rows", "--beam", "2"), "--beam does not go with --rows"),
        ("one", ("--rows", "--times"), "--times does not go with --rows"),
        ("one", ("--lm-weight", "2"), "--lm-weight is the weight of a language model; give --lm, too"),
        ("one", ("--n-best", "2"), "--n-best 2: a beam of 1 has no more than 1; use --beam 2"),
        ("one", ("--plain",), "--plain is for models of labels, tags and pairs"),
    ],
)
def test_options_that_do_not_go_together(folder: Path, model: str, options: tuple[str, ...], error: str) -> None:
    done = run(folder / model, "-", *options, input="")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("gpurnn: ") and error in done.stderr and done.stderr.count("\n") == 1


def test_a_language_model_that_says_nothing_of_the_labels(folder: Path) -> None:
    done = run(folder / "one", "-", "--lm", folder / "both", input="")
    assert done.exit_code == 1
    assert f"{folder}/both: a model of frames, not of text" in done.stderr


def test_a_model_of_one_direction_says_the_same_in_rows_and_in_files(folder: Path) -> None:
    rows = "\n\n".join("\n".join(" ".join(map(str, each)) for each in frames.tolist()) for frames in frames_of(20))
    done = run(folder / "one", "-", "--rows", input=rows)
    assert done.stdout.splitlines() == [greedy(logs)[0] for logs in logs_of(folder, "one")]
