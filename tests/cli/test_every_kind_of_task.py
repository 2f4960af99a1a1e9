"""Every kind of task, from the file of a user to what the model says of another one, by the command line alone.

| kind of task | here | its section in the README |
|---|---|---|
| language model, generation | text | A first session |
| measured series, a column some steps ahead | series | A forecast |
| state of a stream at each step | state of symbols, state of numbers, state in both directions | Labels and tags |
| class of a sequence | class of a text, class of numbers, class of a stream | Labels and tags |
| names in a sentence | names | Labels and tags |
| pairs | pairs | Pairs |
| caption | captions | Captions |
| speech, line of writing | frames, sound | Frames: lines of writing and speech |

Each learns what a few windows teach, and has to say it of what it has not seen.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

import gpurnn
from gpurnn.cli.main import main
from gpurnn.data.corpus.sizes import SHAPES
from gpurnn.exceptions import DataError
from gpurnn.training.tasks import TASKS
from tests import kinds


class Kind(NamedTuple):
    """write: of tests/kinds.py. prepare, train, said: the commands' words. answers: in what `said` prints.

    methods: those of a loaded model that are for such a one.
    """

    write: Callable[[random.Random, Path], list[str]]
    prepare: str
    train: str
    answers: Callable[[str], list[str]]
    said: str = "predict run asked"
    methods: tuple[str, ...] = ("label",)


def column(number: int, between: str = "\t", head: int = 0) -> Callable[[str], list[str]]:
    """What stands in a column below so many rows; blank lines are none."""
    return lambda output: [line.split(between)[number] for line in output.splitlines()[head:] if line]


def forecasts(output: str) -> list[str]:
    return [str(round(float(cell))) for cell in column(2, ",", 1)(output)]


POWER, WAYS = (
    "train.csv --series --key of " + options for options in ("--tags --tag-column state", "--labels --label-column way")
)
STREAM = "--layout through --lanes 4"
SHORT = "--bptt 32 --lanes 4 --windows 60"
KINDS = {
    "text": Kind(
        kinds.text,
        "train.txt",
        "--bptt 32 --lanes 4 --windows 120",
        list,
        "sample run --prompt 'the ' --length 16 --temperature 0.01",
        ("generate",),
    ),
    "series": Kind(
        kinds.series,
        "train.csv --series --time when",
        "--target x --ahead 3h --bptt 24 --lanes 2 --windows 150",
        forecasts,
        methods=("forecaster",),
    ),
    "state of symbols": Kind(kinds.brackets, "train.tsv --tags", f"{STREAM} --bptt 32 --windows 60", column(2)),
    "state of numbers": Kind(kinds.machine, POWER, f"{STREAM} --bptt 32 --windows 80", column(3, ",", 1)),
    "state in both directions": Kind(
        kinds.machine, POWER, "--both-directions --bptt 300 --lanes 1 --windows 60", column(3, ",", 1)
    ),
    "class of a text": Kind(kinds.posts, "train.tsv --labels --label-column first --tokens words", SHORT, column(0)),
    "class of numbers": Kind(kinds.ways, WAYS, SHORT, column(3, ",", 1)),
    "class of a stream": Kind(kinds.ways, WAYS, f"{STREAM} --bptt 8 --windows 100", column(3, ",", 1)),
    "names": Kind(kinds.sentences, "train.tsv --tags --tokens words", f"--both-directions {SHORT}", column(2)),
    "pairs": Kind(
        kinds.capitals,
        "train.tsv --pairs --tokens chars",
        "--attention dot --bptt 32 --lanes 4 --windows 150",
        column(1),
        methods=("translate",),
    ),
    "captions": Kind(
        kinds.sides,
        "train.txt --vectors vectors.npy --tokens chars",
        SHORT,
        str.split,
        "predict run asked.npy",
        ("translate", "generate"),
    ),
    "frames": Kind(
        kinds.letters,
        "train.jsonl --frames",
        "--both-directions --bptt 32 --lanes 4 --windows 120",
        column(1),
        methods=("transcribe",),
    ),
    "sound": Kind(
        kinds.tones,
        "train.tsv --frames --tokens words --splice 1 --skip 2",
        "--both-directions --bptt 64 --lanes 4 --windows 60",
        column(1),
        methods=("transcribe",),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_was_learnt_is_said_of_another_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if name == "sound":
        pytest.importorskip("kaldi_native_fbank", reason="what reads sound is not installed")
    kind = KINDS[name]
    monkeypatch.chdir(tmp_path)
    right = kind.write(random.Random(1), tmp_path)
    run(f"prepare -o corpus.h5 {kind.prepare}")
    run(f"train corpus.h5 -o run {kind.train} --hidden 16 --lr 0.02 --dropout 0 --validate-every 0 --device cpu")
    found = kind.answers(run(f"{kind.said} --device cpu"))
    assert sum(a == b for a, b in zip(found, right, strict=True)) >= 0.9 * len(right), list(
        zip(found, right, strict=True)
    )
    check_other_uses(kind)


def check_other_uses(kind: Kind) -> None:
    """What a run is not for says in one line what the run is, and what it is for."""
    command = kind.said.split()[0]
    if "generate" in kind.methods and command == "predict":
        assert len(run("sample run --vector asked.npy --device cpu")) > 0
    else:
        other = {"sample": "predict run asked --plain", "predict": "sample run --vector asked --prompt a"}[command]
        done = CliRunner().invoke(main, shlex.split(f"{other} --device cpu"))
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        right = "gpurnn predict run FILE" if command == "predict" else "gpurnn sample run"
        assert done.stderr.endswith(f", which gpurnn {other.split()[0]} is not for; use {right}\n")
    model = gpurnn.load("run", device="cpu")
    methods = {"generate": (), "forecaster": (), "label": ([],), "translate": ([],), "transcribe": ([],)}
    for name in methods.keys() - set(kind.methods):
        with pytest.raises(DataError, match=f": a model of .*, which {name} is not for; use {kind.methods[0]}$"):
            getattr(model, name)(*methods[name])


def test_each_kind_of_corpus_is_a_task():
    assert TASKS.keys() == SHAPES.keys()


def run(command: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 0, (command, done.output)
    return done.stdout
