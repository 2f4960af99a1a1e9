"""`gpurnn doctor`: what it says and writes, of which runs, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from trained import make_corpus, make_run

from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.diagnosis.doctor import PANELS
from gpurnn.diagnosis.findings import LEVELS
from gpurnn.training.load import load_trained
from gpurnn.training.model_file import write_model
from tests.sequences import told as told_sequences

TEXT = "One fish, two fish, red fish, blue fish.\nThis one has a little star.\n" * 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and a run of a few windows."""
    folder = tmp_path_factory.mktemp("doctor")
    corpus = make_corpus(folder / "made.h5", [TEXT], split=(0.5, 0.5, 0))
    make_run(backend.get("cpu"), corpus, folder / "run", cell="lstm")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "run", tmp_path / "run")
    shutil.copy(made / "made.h5", tmp_path / "made.h5")
    return tmp_path


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_every_panel_is_told_alike_and_the_run_untouched(here: Path):
    before = files(here / "run")
    result = doctor("run", "--json", "found.json")
    assert result.exit_code == 0, result.output
    found = json.loads((here / "found.json").read_text())
    assert files(here / "run") == before
    assert found["format"] == 1 and list(found["panels"]) == list(PANELS)
    lines = result.stdout.splitlines()
    assert len(lines) == len(PANELS) <= 12
    for line, (name, panel) in zip(lines, found["panels"].items(), strict=True):
        assert set(panel) == {"level", "sentence", "numbers", "seconds", "samples", "parameters"}
        assert panel["level"] in LEVELS[1:], name
        assert line.startswith(panel["level"]) and line.endswith(panel["sentence"])
        assert panel["sentence"] and panel["numbers"]
    assert len((here / "found.json").read_bytes()) < 200_000
    numbers = {name: panel["numbers"] for name, panel in found["panels"].items()}
    assert numbers["looked_at"]["windows"] == 12 and numbers["looked_at"]["cell"] == "lstm"
    assert numbers["window"]["widths"] == [2, 4, 8, 16, 32, 64]
    assert len(numbers["reach"]["falls"]["layers.0.dc"]["median"]) == 256
    assert sum(numbers["reach"]["shares"]["layers.0.W"]) == pytest.approx(1, abs=1e-6)
    assert set(numbers["units"]["gates"]) == {f"layers.0.{gate}" for gate in "ifo"}
    units, passage = numbers["units"], numbers["text"]["passage"]
    assert [set(each) for each in units["ranked"]] == [{"name", "unit", "unexplained", "feature", "correlation"}] * 6
    assert [len(each) for each in units["passage_values"]] == [len(passage)] * 6
    assert numbers["recovery"]["state_stuck_lanes"] == 0
    assert "look again after an epoch" in found["panels"]["window"]["sentence"]
    doctor("run", "--json", "again.json")
    again = json.loads((here / "again.json").read_text())
    for each in (found, again):
        for panel in each["panels"].values():
            del panel["seconds"]
    assert again == found


def test_no_time_at_all(here: Path):
    result = doctor("run", "--seconds", "0")
    assert result.exit_code == 0
    assert result.stdout.count("the time was over; give more --seconds") == 6
    assert "after 10 windows training loss" in result.stdout  # the last line of the log


def test_a_run_without_its_corpus(here: Path):
    """What the checkpoint names is gone: what needs none is told, and why the others are not."""
    corpus = make_corpus(here / "gone.h5", [TEXT], split=(0.5, 0.5, 0))
    make_run(backend.get("cpu"), corpus, here / "alone")
    corpus.unlink()
    result = doctor("alone")
    assert result.exit_code == 0
    assert result.stdout.count("is no longer there; name where it is now") == 7
    assert "after 10 windows training loss" in result.stdout
    assert doctor("alone", "made.h5", "--seconds", "0").stdout.count("no longer there") == 0
    named = doctor("alone", "none.h5")
    assert named.exit_code == 1 and "none.h5" in named.stderr and len(named.stderr.splitlines()) == 1


def test_a_run_whose_corpus_became_another_one(here: Path):
    """The same as of one that is gone: nobody has named it."""
    corpus = make_corpus(here / "moved.h5", [TEXT], split=(0.5, 0.5, 0))
    make_run(backend.get("cpu"), corpus, here / "alone")
    make_corpus(corpus, ["something else entirely, xyz" * 30], split=(0.5, 0.5, 0), force=True)
    result = doctor("alone", "--seconds", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("it is no longer the corpus of alone/") == 7
    assert "after 10 windows training loss" in result.stdout
    assert doctor("alone", "moved.h5").exit_code == 1


def test_a_corpus_of_another_vocabulary(here: Path):
    make_corpus(here / "other.h5", ["something else entirely, xyz" * 30], split=(0.5, 0.5, 0))
    result = doctor("run", "other.h5")
    assert result.exit_code == 1
    assert "its vocabulary" in result.stderr and len(result.stderr.splitlines()) == 1


def test_another_text_of_the_same_vocabulary(here: Path):
    make_corpus(here / "short.h5", [TEXT[:400]], split=(0.5, 0.5, 0), vocab_from=here / "made.h5")
    result = doctor("run", "short.h5")
    assert result.exit_code == 0, result.output
    assert "is not the corpus that it was trained on" in result.stdout
    assert "targets; this needs" in result.stdout
    assert result.stdout.splitlines()[4].startswith("none")


def test_against_another_run_and_failing_on_notes(here: Path):
    result = doctor("run", "--against", "run", "--parameters", "average", "--fail-on", "note", "--seconds", "2")
    *_, last = result.stdout.splitlines()
    assert last.startswith("against run: ") and "starts that never recovered 0 (0)" in last
    notes = any(line.startswith(("note", "warning")) for line in result.stdout.splitlines())
    assert result.exit_code == int(notes)
    assert doctor("run", "--seconds", "0", "--fail-on", "warning").exit_code == 0


def test_the_page_and_the_numbers_have_the_other_run_too(here: Path):
    shutil.copytree(here / "run", here / "other")
    result = doctor("run", "--against", "other", "--seconds", "0", "-o", "page.html", "--json", "found.json")
    assert result.exit_code == 0
    found = json.loads((here / "found.json").read_text())
    assert (found["run"], found["against"]["run"]) == ("run", "other")
    assert json.dumps(found, separators=(",", ":")) in (here / "page.html").read_text()


def test_what_is_refused(here: Path):
    (here / "there.json").write_text("mine")
    for arguments, said in (
        (["run", "--json", "there.json"], "it exists; give another name or --force"),
        (["run", "--checkpoint", "there.json"], "there.json"),
        (["nowhere"], "no run directory at nowhere"),
        (["run", "--against", "nowhere"], "no run directory at nowhere"),
    ):
        result = doctor(*arguments)
        assert result.exit_code == 1, arguments
        assert said in result.stderr and len(result.stderr.splitlines()) == 1
    assert (here / "there.json").read_text() == "mine"
    assert doctor("run", "--seconds", "0", "--json", "there.json", "--force").exit_code == 0
    assert json.loads((here / "there.json").read_text())["format"] == 1
    for seconds in ("-1", "nan", "inf"):
        result = doctor("run", "--seconds", seconds)
        assert result.exit_code == 2 and result.stderr.startswith("gpurnn: --seconds: expected ")
        assert len(result.stderr.splitlines()) == 1
    assert doctor("run", "--seconds", "0", "-o", "there.json").exit_code == 1
    assert doctor("run", "--seconds", "0", "-o", "page.html").exit_code == 0
    assert (here / "page.html").read_bytes().startswith(b"<!doctype html>")


@pytest.mark.parametrize("option", ["-o", "--json"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none/x", "gpurnn: none/x: there is no folder none; make it first"),
        ("made.h5/x", "gpurnn: made.h5/x: Not a directory; a part of the path is a file: choose another"),
        ("run", "gpurnn: run: it is a folder, and only a regular file can be replaced; give another name"),
        ("sealed/x", "gpurnn: sealed/x: Permission denied; check the permissions of the folder and of the file"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_measured(
    here: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str, told: str
):
    (here / "sealed").mkdir()
    monkeypatch.setattr("os.access", lambda folder, mode: Path(folder).name != "sealed")
    monkeypatch.setattr("gpurnn.cli.doctor.look_at", None)
    result = doctor("run", option, name, "--force")
    assert (result.exit_code, result.stderr) == (1, told + "\n")


@pytest.mark.parametrize("other", ["x", "./x", "link", "../{here}/x"])
def test_a_page_and_numbers_in_the_same_file(here: Path, monkeypatch: pytest.MonkeyPatch, other: str):
    (here / "link").symlink_to("x")
    monkeypatch.setattr("gpurnn.cli.doctor.look_at", None)
    result = doctor("run", "-o", "x", "--json", other.format(here=here.name))
    assert (result.exit_code, result.stderr) == (
        2,
        f"gpurnn: -o and --json: both lead to {here / 'x'}; give two names\n",
    )
    assert not (here / "x").exists()


def test_a_text_of_ones_own(here: Path):
    """Its first symbol is no target; of two runs each reads it."""
    shutil.copytree(here / "run", here / "other")
    given = ["--text", "One star.\\nTwo", "--json", "found.json", "--seconds", "2", "--against", "other"]
    result = doctor("run", *given)
    assert result.exit_code == 0, result.output
    found = json.loads((here / "found.json").read_text())
    for each in (found, found["against"]):
        numbers = each["panels"]["text"]["numbers"]
        assert numbers["passage"] == list("One star.\nTwo")
        first, *losses = numbers["passage_losses"]
        assert first is None and numbers["given"] == pytest.approx(sum(losses) / 12)
        assert each["panels"]["text"]["sentence"].endswith(f"; of the text that was given {numbers['given']:.3f} each")


def test_a_text_that_cannot_be_read_is_said_before_anything_is_measured(here: Path, monkeypatch: pytest.MonkeyPatch):
    make_corpus(here / "other.h5", ["something else, xyz\n" * 30], split=(0.5, 0.5, 0))
    make_run(backend.get("cpu"), here / "other.h5", here / "other")
    make_corpus(here / "words.h5", ["red fish blue fish " * 60], split=(0.5, 0.5, 0), tokens="words")
    make_run(backend.get("cpu"), here / "words.h5", here / "words")
    monkeypatch.setattr("gpurnn.cli.doctor.look_at", None)
    lacks = "at character {} is not in the vocabulary ({} chars); leave it out or put another symbol there"
    for code, arguments, told in (
        (1, ["run", "--text", "One\u00e9"], "--text for run: '\u00e9' " + lacks.format(3, len(set(TEXT)))),
        (1, ["run", "--text", "One", "--against", "other"], "--text for other: 'O' " + lacks.format(0, 16)),
        (2, ["run", "--text", "O"], "--text for run: expected a text of 2 to 512 symbols, found 1"),
        (2, ["run", "--text", "One" * 200], "--text for run: expected a text of 2 to 512 symbols, found 600"),
        (2, ["words", "--text", "red fish"], "--text is for models of text in characters or bytes; words/"),
        (1, ["run", "--against", "nowhere"], "no run directory at nowhere"),
    ):
        result = doctor(*arguments)
        assert result.exit_code == code and result.stderr.startswith(f"gpurnn: {told}"), result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_model_in_a_file(here: Path):
    """It has no log, no moments to go on with, and does not say where its corpus is."""
    trained = load_trained(here / "run", backend.get("cpu"))
    write_model(here / "model.safetensors", trained.model, trained.meaning, trained.config)
    result = doctor("model.safetensors", "made.h5", "--seconds", "1")
    assert result.exit_code == 0, result.output
    assert "starts from an empty state recovered" in result.stdout
    assert "not measured: the log of model.safetensors is that of its run; name that" in result.stdout
    assert "young" not in result.stdout and "after 0 windows" not in result.stdout, (
        "how long it has learnt is not known"
    )


def test_a_run_that_has_no_checkpoint_yet(here: Path):
    for path in (here / "run").rglob("*.safetensors"):
        path.unlink()
    result = doctor("run")
    assert result.exit_code == 1 and "no checkpoint in run yet" in result.stderr


def test_a_damaged_last_checkpoint_is_passed_over(here: Path):
    last = sorted((here / "run" / "checkpoints").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-100])
    result = doctor("run", "--seconds", "0")
    assert result.exit_code == 0
    assert "using" in result.stderr


def test_ctrl_c_leaves_no_half_written_file(here: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gpurnn.diagnosis.doctor.from_zero", interrupt)
    result = doctor("run", "--json", "found.json")
    assert result.exit_code == 130
    assert not (here / "found.json").exists() and not list(here.glob("*found*"))


def test_a_checkpoint_of_another_run_is_not_told_by_this_ones_log(here: Path):
    """Nor by a log that cannot be read, and why is said."""
    make_run(backend.get("cpu"), here / "made.h5", here / "other", cell="gru", windows=5)
    result = doctor("run", "--checkpoint", "other/best.safetensors", "--seconds", "0", "--json", "found.json")
    assert result.exit_code == 0, result.output
    panels = json.loads((here / "found.json").read_text())["panels"]
    assert panels["looked_at"]["level"] == "note"
    assert panels["looked_at"]["sentence"].endswith("; it is other/best.safetensors, no checkpoint of run")
    assert panels["run"]["level"] == "none" and panels["run"]["numbers"] == {"updates": None}
    (here / "run" / "log.jsonl").unlink()
    (here / "run" / "log.jsonl").mkdir()
    last = doctor("run", "--seconds", "0").stdout.splitlines()[-1]
    assert last.startswith("none") and "log.jsonl" in last and "folder" in last


@pytest.mark.parametrize("source", ["run", "model.safetensors"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("chars", "its vocabulary (21 chars) is not that of other.h5 (2 chars)"),
        ("bytes", "its vocabulary (21 chars) is not that of other.h5 (21 bytes)"),
        ("tags", "its model is one of text, other.h5 holds tags"),
    ],
)
def test_a_corpus_that_a_model_cannot_read_is_refused(here: Path, source: str, kind: str, told: str):
    """Read all the same it would give numbers that mean nothing."""
    trained = load_trained(here / "run", backend.get("cpu"))
    write_model(here / "model.safetensors", trained.model, trained.meaning, trained.config)
    if kind == "tags":
        told_sequences(here / "other.h5", "tags", "symbols", [5, 6]).corpus.close()
    else:
        make_corpus(here / "other.h5", [TEXT if kind == "bytes" else "xy" * 900], tokens=kind)
    result = doctor(source, "other.h5", "--seconds", "0")
    assert result.exit_code == 1 and told in result.stderr and len(result.stderr.splitlines()) == 1
