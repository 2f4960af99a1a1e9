"""What evaluate prints of labels and tags, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gpurnn import backend
from gpurnn.cli.labels_table import table_of
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.evaluation.label_baselines import Baseline
from gpurnn.evaluation.labels import LabelsEvaluation, evaluate_labels
from gpurnn.training.config import Limits
from gpurnn.training.load import load_trained
from gpurnn.training.scores import Score
from gpurnn.training.session import new_run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.training.test_labelled_runs import learnable, settings

LONG = "\x1b[2J" + "x" * 40


def of_labels() -> LabelsEvaluation:
    return LabelsEvaluation(
        what="labels",
        count=1012,
        accuracy=0.75,
        macro_f1=0.7,
        loss=0.61234,
        classes={
            "人名": Score(0.5, 0.25, 1 / 3, 12),
            "never": Score(0, 0, 0, 0),
            LONG: Score(1, 1, 1, 1000),
        },
        confusion={"人名": {"人名": 3, LONG: 9}, LONG: {LONG: 1000}},
        scheme=None,
        spans={},
        baselines={"commonest label": Baseline(0.5, 0.3), "bag of words": Baseline(0.8, 0.71, None, 90_000)},
    )


def test_the_table_of_labels():
    assert list(table_of(of_labels())) == [
        "  sequences 1,012, loss 0.6123 nats",
        "",
        "                    accuracy   macro F1",
        "  this model          0.7500     0.7000",
        "  bag of words        0.8000     0.7100  from 90,000 texts",
        "  commonest label     0.5000     0.3000",
        "",
        "  labels                        precision  recall      F1  sequences",
        r"  '\x1b[2Jxxxxxxxxxxxxxxxxxxx…     1.0000  1.0000  1.0000      1,000",
        "  人名                             0.5000  0.2500  0.3333         12",
        "",
        r"  truth \ found                 '\x1b[2Jxxxxx…  人名",
        r"  '\x1b[2Jxxxxxxxxxxxxxxxxxxx…           1,000     0",
        "  人名                                       9     3",
    ]


def test_the_table_of_tags():
    classes = {tag: Score(0.5, 0.5, 0.5, 10) for tag in ("B-X", "I-X", "O")}
    spans = {"all": Score(0.9, 0.8, 0.847, 12), "X": Score(0.9, 0.8, 0.847, 12)}
    baselines = {"all O": Baseline(0.9, 0.3, 0.0), "commonest tag a token": Baseline(0.85, 0.4, 0.2)}
    confusion = {"O": {"O": 10}}
    found = LabelsEvaluation("tags", 30, 0.99, 0.95, 0.02, classes, confusion, "IOB2", spans, baselines)
    assert list(table_of(found))[:10] == [
        "  tokens 30, loss 0.0200 nats",
        "",
        "                           span F1   accuracy   macro F1",
        "  this model                0.8470     0.9900     0.9500",
        "  commonest tag a token     0.2000     0.8500     0.4000",
        "  all O                     0.0000     0.9000     0.3000",
        "",
        "  spans (IOB2, strict)  precision  recall      F1      spans",
        "  all                      0.9000  0.8000  0.8470         12",
        "  X                        0.9000  0.8000  0.8470         12",
    ]


def test_of_many_classes_the_commonest_confusions_are_told():
    labels = [f"label {n}" for n in range(50)]
    classes = {label: Score(0.5, 0.5, 0.5, 100 - n) for n, label in enumerate(labels)}
    confusion = {label: {label: 50, labels[(n * 7 + 1) % 50]: 50 - n} for n, label in enumerate(labels)}
    lines = list(table_of(LabelsEvaluation("labels", 5, 0.5, 0.5, 0.5, classes, confusion, None, {}, {})))
    assert lines[6] == "  label 0      0.5000  0.5000  0.5000        100"
    assert lines[46:50] == [
        "  and 10 more; --json has all",
        "",
        "  truth     found         times  the commonest confusions",
        "  label 0   label 1          50  50.0% of label 0",
    ]
    assert lines[-1] == "  and 38 more kinds; --json has all"
    perfect = {label: {label: 50} for label in labels}
    assert list(table_of(LabelsEvaluation("labels", 5, 1, 1, 0, classes, perfect, None, {}, {})))[-1] == lines[46]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("labels")
    for kind in ("labels", "tags"):
        corpus = learnable(made / f"{kind}.h5", kind, "symbols")
        new_run(backend.get("cpu"), corpus, settings(kind, "symbols"), made / kind, pytest.fail).run(Limits(windows=40))
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--device", "cpu"])


@pytest.mark.parametrize("kind", ["labels", "tags"])
def test_evaluate_prints_what_the_library_finds(folder: Path, kind: str):
    done = run(folder / kind, "--split", "test", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    trained = load_trained(folder / kind, backend.get("cpu"))
    with Corpus.open(folder / f"{kind}.h5") as corpus:
        expected = evaluate_labels(trained.model, trained.labelling, trained.config, corpus, "test")
    assert json.loads(done.stdout) == expected.to_json()
    done = run(folder / kind, folder / f"{kind}.h5", "--split", "test")
    assert (done.exit_code, done.stderr) == (0, "")
    first = f"{folder}/{kind}/best.safetensors on split test of {folder}/{kind}.h5"
    assert done.stdout.splitlines() == [first, *table_of(expected)]


@pytest.mark.parametrize("kind", ["labels", "tags"])
def test_what_means_nothing_of_labels_is_refused(folder: Path, kind: str):
    for option, told in (
        (("--lanes", 2), "--lanes: sequences are read side by side as they are; leave it out"),
        (("--plot", "a.svg"), f"--plot: there is nothing to draw of a model of {kind}; leave it out"),
    ):
        done = run(folder / kind, *option)
        assert (done.exit_code, done.stderr, done.stdout) == (2, f"gpurnn: {told}\n", "")
