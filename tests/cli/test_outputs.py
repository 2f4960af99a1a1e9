"""Every command that writes a file or a folder, against everything that can stand at the name it is given."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from faults import soak
from nodes import FOLDERS, FREE, SPECIAL, files, picture
from trained import documents, make_corpus, make_run

from gpurnn import backend
from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.runs.directory import RunDirectory
from gpurnn.runs.log import read_log

pytestmark = pytest.mark.timeout(60)  # nothing here waits for the other end of a FIFO
FILES = files(b"old")
IN_THE_WAY = {**FOLDERS, **SPECIAL}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, made.h5, and its text, made.txt."""
    return make_corpus(tmp_path_factory.mktemp("made") / "made.h5", documents(60)).parent


Call = Callable[[Path, list[str]], tuple[int, str]]


def command(made: Path, name: str) -> Call:
    """What calls a command that writes a corpus; returns its exit code and what it says."""
    given = {"prepare": [made / "made.txt"], "import-corpus": [made / "made.h5"]}[name]

    def call(output: Path, options: list[str]) -> tuple[int, str]:
        done = CliRunner().invoke(main, [name, *map(str, given), "-o", str(output), *options])
        return done.exit_code, done.stderr

    return call


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("kind", IN_THE_WAY)
@pytest.mark.parametrize("name", ["prepare", "import-corpus"])
def test_what_is_no_regular_file_stays(name: str, kind: str, force: list[str], made: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.h5"
    IN_THE_WAY[kind](output)
    before = picture(tmp_path)
    code, told = command(made, name)(output, force)
    assert (code, told.count("\n")) == (1, 1)
    assert told.startswith(f"gpurnn: cannot write {output}: ")
    assert picture(tmp_path) == before


@pytest.mark.parametrize("kind", [*FILES, *FREE])
@pytest.mark.parametrize("name", ["prepare", "import-corpus"])
def test_a_file_is_replaced_where_that_is_asked_for_and_links_stay(
    name: str, kind: str, made: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.h5"
    {**FILES, **FREE}[kind](output)
    before, call = picture(tmp_path), command(made, name)
    if kind in FILES:
        assert call(output, [])[0] == 1
        assert picture(tmp_path) == before
    assert call(output, ["--force"] if kind in FILES else []) == (0, "")
    with Corpus.open(output) as corpus:
        corpus.verify()
    for link in [path for path in tmp_path.iterdir() if path.is_symlink()]:
        assert picture(tmp_path)[link.name] == before[link.name]
    assert {path.name for path in tmp_path.iterdir()} == {*before, output.resolve().name}


@pytest.mark.parametrize("name", ["prepare", "import-corpus"])
def test_through_a_link_it_is_made_and_swept_where_the_link_leads(name: str, made: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    output, left = tmp_path / "here" / "link.h5", tmp_path / "there" / ".x.h5.01234567.tmp"
    output.symlink_to("../there/x.h5")
    left.write_bytes(b"of a process that was killed")
    assert command(made, name)(output, []) == (0, "")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["x.h5"]
    assert output.is_symlink() and [path.name for path in (tmp_path / "here").iterdir()] == ["link.h5"]


@pytest.mark.parametrize("arguments", [["prepare", "made.txt"], ["import-corpus", "made.h5"], ["train", "made.h5"]])
def test_standard_output_is_wrong_usage(arguments: list[str], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    for force in ([], ["--force"]) if arguments[0] != "train" else ([],):
        done = CliRunner().invoke(main, [*arguments, "-o", "-", *force])
        assert done.exit_code == 2
        assert "-: an output goes to a file" in done.stderr
    assert not (made / "-").exists()


def train(made: Path, run: Path, *options: str) -> tuple[int, str]:
    size = ["--hidden", "4", "--lanes", "2", "--bptt", "8", "--windows", "2", "--threads", "1"]
    done = CliRunner().invoke(main, ["train", str(made / "made.h5"), "-o", str(run), *size, *options])
    return done.exit_code, done.stderr


@pytest.mark.parametrize("kind", [*FILES, *SPECIAL])
def test_a_run_does_not_replace_what_is_no_folder(kind: str, made: Path, tmp_path: Path) -> None:
    {**FILES, **SPECIAL}[kind](tmp_path / "run")
    before = picture(tmp_path)
    code, told = train(made, tmp_path / "run")
    assert (code, picture(tmp_path)) == (1, before)
    assert told.startswith(f"gpurnn: cannot create run directory {tmp_path / 'run'}: ")


@pytest.mark.parametrize("kind", [*FREE, *FOLDERS])
def test_a_run_is_made_where_a_link_leads(kind: str, made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    {**FREE, **FOLDERS}[kind](run)
    links = [path for path in tmp_path.iterdir() if path.is_symlink()]
    assert train(made, run)[0] == 0
    assert all(path.is_symlink() for path in links)
    assert (run.resolve() / "checkpoints" / "window-0000000002.safetensors").is_file()


@pytest.fixture(scope="module")
def a_run(made: Path) -> Path:
    return make_run(backend.get("cpu"), made / "made.h5", made / "run")


def resumed(source: Path, run: Path, put: dict[str, Callable[[Path], object]]) -> tuple[int, str]:
    """Resume a copy of a run in which something else stands in the place of some of its files."""
    shutil.copytree(source, run)
    for name, make in put.items():
        (run / name).unlink()
        make(run / name)
    done = CliRunner().invoke(main, ["train", "--resume", str(run), "--windows", "20"])
    return done.exit_code, done.stderr


@pytest.mark.parametrize("kind", ["folder", "FIFO", "link to a device", "full device", "link to itself"])
@pytest.mark.parametrize("name", ["log.jsonl", "best.safetensors", "lock", "config.json"])
def test_inside_a_run_what_is_no_regular_file_stays(name: str, kind: str, a_run: Path, tmp_path: Path) -> None:
    def put(path: Path) -> None:
        IN_THE_WAY[kind](path)
        before.update(picture(path.parent))

    before: dict[str, object] = {}
    code, told = resumed(a_run, tmp_path / "run", {name: put})
    assert code == 1
    last = told.splitlines()[-1]
    assert last.startswith("gpurnn: ") and name in last
    after = picture(tmp_path / "run")
    assert {path: after[path] for path in before if path != "lock"} == {
        path: before[path] for path in before if path != "lock"
    }
    assert set(after) - set(before) <= {"lock"}


@pytest.mark.parametrize("name", ["log.jsonl", "best.safetensors"])
def test_inside_a_run_a_link_stays_and_its_target_is_written(name: str, a_run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "target").write_bytes((a_run / name).read_bytes())
    (elsewhere / ".target.01234567.tmp").write_bytes(b"of a process that was killed")
    run = tmp_path / "run"
    code, told = resumed(a_run, run, {name: lambda path: path.symlink_to(elsewhere / "target")})
    assert code == 0, told
    assert (run / name).is_symlink()
    assert [path.name for path in elsewhere.iterdir()] == ["target"]
    assert [entry["window"] for entry in read_log(run / "log.jsonl")] == [5, 10, 15, 20]
    with RunDirectory.open(run).lock():
        assert RunDirectory.open(run).load("best").path == run / "best.safetensors"


@pytest.mark.parametrize("kind", [*FILES, *FREE, *IN_THE_WAY])
def test_the_figures_of_the_soak(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.json"
    kinds = {**files(b"{}"), **FREE, **IN_THE_WAY}
    kinds[kind](output)
    before, told = picture(tmp_path), ["soak", "--only", "11", "--json", str(output)]
    monkeypatch.setattr(sys, "argv", told)
    monkeypatch.setitem(soak.POINTS, "11", soak.POINTS["11"].__class__("races", lambda tally: None))
    if kind in IN_THE_WAY:
        with pytest.raises(SystemExit, match="2"):
            soak.main()
        assert f"--json {output}: " in capsys.readouterr().err
        assert picture(tmp_path) == before
    else:
        assert soak.main() == 0
        assert "11" in json.loads(output.read_text())
        assert output.is_symlink() == ("link" in kind)
