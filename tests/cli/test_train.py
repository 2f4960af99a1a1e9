"""`gpurnn train`: one line for what goes wrong, before anything is written, and options that reach the run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import outside_cell
import pytest
from click.testing import CliRunner
from trained import documents, make_corpus

from gpurnn.backend.cpu import CpuBackend
from gpurnn.cli.main import COMMANDS, main
from gpurnn.network.cells import CELLS
from gpurnn.runs.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("train")
    make_corpus(made / "text.h5", documents(24))
    make_corpus(made / "short.h5", ["a note does it"], split=(1, 0, 0))
    (made / "empty").mkdir()
    return made


BAD = [
    (["text.h5"], 2, "expected a corpus and --output RUN, or --resume RUN"),
    (["text.txt", "-o", "r"], 1, "text.txt: not a corpus"),
    (["gone.h5", "-o", "r"], 1, "gone.h5: cannot open the corpus"),
    (["text.h5", "-o", "text.txt"], 1, "cannot create run directory text.txt: it is a file, not a folder; "),
    (["text.h5", "-o", "text.txt/r"], 1, "cannot create run directory text.txt/r: "),
    (["short.h5", "-o", "r", "--bptt", "64"], 1, "lane, which has 13 of 13 targets; use at most 13 steps (--bptt)\n"),
    (["text.h5", "-o", "r", "--lanes", "100000"], 1, "100000 lanes do not fit"),
    (["text.h5", "-o", "r", "--cell", "elman"], 2, "'elman' is not one of"),
    (["text.h5", "-o", "r", "--bptt", "0"], 2, "--bptt: expected at least 1, found 0"),
    (["text.h5", "-o", "r", "--patience", "-1"], 2, "patience: expected 0 or more, found -1"),
    (["text.h5", "-o", "r", "--minutes", "nan"], 2, "minutes: expected 0 or more, found nan"),
    (["text.h5", "-o", "r", "--windows", "-1"], 2, "windows: expected 0 or more, found -1"),
    (["text.h5", "-o", "r", "--threads", "0"], 2, "--threads"),
    (["text.h5", "-o", "r", "--hidden", "1" + "0" * 9], 1, "cpu: out of memory"),
    (["text.h5", "-o", "r", "--hidden", "1" + "0" * 30], 1, "cpu: out of memory"),
    (["text.h5", "-o", "r", "--schedule", "cosine", "--decay-epochs", "inf"], 2, "--decay-epochs: expected 0 or more"),
    (["text.h5", "-o", "r", "--threads", "1" + "0" * 24], 2, "--threads: expected 1 or more and less than 2**31"),
    (["text.h5", "-o", "r", "--decay-epochs", "1e308"], 2, "--decay-epochs: expected a finite number, found inf"),
    (["text.h5", "-o", "r", "--layers", "1" + "0" * 18], 2, "--layers: expected at most 512, found 1"),
    (["text.h5", "-o", "r", "--forget-bias=-1e39"], 2, "forget_bias: expected a number that float32 can hold"),
    (["text.h5", "-o", "r", "--precision", "fp8"], 2, "'fp8' is not one of 'float32', 'tf32', 'bf16'"),
    (
        ["text.h5", "-o", "r", "--precision", "bf16", "--dtype", "float64"],
        2,
        "--precision bf16 is for float32 and the ",
    ),
    (
        ["text.h5", "-o", "r", "--precision", "bf16", "--tf32"],
        2,
        "train: --tf32 contradicts --precision bf16; give one",
    ),
    (["text.h5", "-o", "r", "--precision", "float32", "--tf32"], 2, "--tf32 contradicts --precision float32; give one"),
    (["--resume", "empty"], 1, "empty is not a run directory"),
    (["--resume", "gone"], 1, "no run directory at gone"),
    (["--resume", "text.h5"], 1, "no run directory at text.h5"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=[" ".join(bad[0])[:50] for bad in BAD])
def test_one_line_says_what_is_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, ["train", *arguments, "--device", "cpu"])
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("r").exists()


def test_options_reach_the_run(folder: Path, tmp_path: Path):
    size = ("--hidden", "5", "--lanes", "2", "--bptt", "8", "--windows", "0", "--device", "cpu")
    options = ("--forget-bias", "2.5", "--lr", "0.5", "--clip", "3", "--decay-patience", "7", "--skip-limit", "4")
    done = CliRunner().invoke(main, ["train", str(folder / "text.h5"), "-o", str(tmp_path / "r"), *size, *options])
    assert done.exit_code == 0, done.stderr
    config = json.loads((tmp_path / "r" / "config.json").read_text())["training"]
    assert (config["schedule"]["rate"], config["schedule"]["patience"], config["skip_limit"]) == (0.5, 7, 4)
    assert config["optimizer"]["clip_norm"] == 3
    read = read_checkpoint(tmp_path / "r" / "checkpoints" / "window-0000000000.safetensors")
    np.testing.assert_array_equal(read.tensors["layers.0.b"][5:10], 2.5)


def test_the_command_to_go_on_with_goes_on(folder: Path, tmp_path: Path):
    """Another number of threads would be refused."""
    size = ("--hidden", "5", "--lanes", "2", "--bptt", "8", "--windows", "2", "--device", "cpu", "--threads", "1")
    done = CliRunner().invoke(main, ["train", str(folder / "text.h5"), "-o", str(tmp_path / "r"), *size])
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("go on:")]
    assert told == f"go on:    gpurnn train --resume {tmp_path / 'r'} --device cpu --threads 1"
    done = CliRunner().invoke(main, [*told.split()[3:], "--windows", "3"])
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("going on after window 2\n3 windows are done; ")


def test_a_run_keeps_its_precision(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In bfloat16 by NumPy, which any processor can do."""

    def get(device: str, *, precision: str, graphs: bool) -> CpuBackend:
        return CpuBackend("for the test", precision=precision, compiled=False)

    def train(*arguments: str, code: int = 0) -> list[str]:
        done = CliRunner().invoke(main, ["train", *arguments])
        assert done.exit_code == code, done.stderr
        return done.stderr.splitlines()

    monkeypatch.setattr("gpurnn.training.begin.backend.get", get)
    run, size = str(tmp_path / "r"), ("--hidden", "5", "--lanes", "2", "--bptt", "8")
    told = train(str(folder / "text.h5"), "-o", run, *size, "--windows", "2", "--precision", "bf16")
    assert told[0].endswith(" on cpu (for the test), precision bf16")
    assert f"go on:    gpurnn train --resume {run}" in told
    assert train("--resume", run, "--windows", "3")[0] == "going on after window 2, precision bf16"
    assert "precision       bf16" in CliRunner().invoke(main, ["info", run]).stdout
    for other in ("float32", "tf32"):  # which is float32 here
        (refused,) = train("--resume", run, "--precision", other, code=1)
        assert "not the same bits as before: precision: was bf16, is float32; go on all the same" in refused
    told = train("--resume", run, "--windows", "4", "--precision", "float32", "--allow-inexact")
    assert told[1] == "going on after window 3"
    assert train("--resume", run, "--windows", "5")[0] == "going on after window 4"


def test_a_processor_without_bfloat16_refuses_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gpurnn.backend.cpu.instructions", lambda precision: [])
    command = ["train", str(folder / "text.h5"), "-o", str(tmp_path / "r"), "--precision", "bf16", "--device", "cpu"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert done.stderr.startswith("gpurnn: cpu: precision bf16: this processor and this installation have neither")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "r").exists()


@pytest.mark.parametrize("asked", [("--tf32",), ("--precision", "tf32"), ("--precision", "tf32", "--tf32")])
def test_tf32_changes_nothing_on_a_cpu(folder: Path, tmp_path: Path, asked: tuple[str, ...]):
    size = ("--hidden", "5", "--lanes", "2", "--bptt", "8", "--windows", "2", "--device", "cpu")
    for name, options in (("plain", ()), ("asked", asked)):
        command = ["train", str(folder / "text.h5"), "-o", str(tmp_path / name), *size, *options]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.stderr
    plain, found = (
        read_checkpoint(tmp_path / name / "checkpoints" / "window-0000000002.safetensors")
        for name in ("plain", "asked")
    )
    assert found.header["versions"] == plain.header["versions"]
    for name, array in plain.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], array, err_msg=name)


def test_a_cell_that_a_program_adds_is_one_of_the_commands(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Added when everything was imported long ago: trained, resumed, evaluated and sampled as any other."""
    help_without = CliRunner().invoke(main, ["train", "--help"]).stdout
    monkeypatch.setitem(CELLS, "late-cell", replace(outside_cell.CELL, name="late-cell"))
    assert "late-cell" not in help_without and "|late-cell]" in CliRunner().invoke(main, ["train", "--help"]).stdout
    run, size = str(tmp_path / "r"), ("--hidden", "5", "--lanes", "2", "--bptt", "8", "--windows", "2")
    commands = [
        ["train", str(folder / "text.h5"), "-o", run, "--cell", "late-cell", *size, "--device", "cpu"],
        ["train", "--resume", run, "--windows", "4", "--device", "cpu"],
        ["evaluate", run, "--device", "cpu"],
        ["sample", run, "--length", "9", "--device", "cpu"],
        ["info", run],
    ]
    done = [CliRunner().invoke(main, command) for command in commands]
    assert [each.exit_code for each in done] == [0] * len(commands), [each.stderr for each in done]
    assert "late-cell, 1 x 5" in done[0].stderr and "late-cell" in done[-1].stdout
    read = read_checkpoint(tmp_path / "r" / "checkpoints" / "window-0000000004.safetensors")
    assert all(read.tensors[f"state.0.{name}"].any() for name in ("h", "c", "d"))
    monkeypatch.undo()
    missing = CliRunner().invoke(main, ["evaluate", run, "--device", "cpu"])
    assert missing.exit_code == 1 and "cell: expected one of" in missing.stderr


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_fits_the_terminal_and_leaves_no_option_unexplained(
    monkeypatch: pytest.MonkeyPatch, command: str, columns: int
):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= columns
    group = main.get_command(None, command)  # type: ignore[arg-type]
    assert group is not None
    for option in group.params:
        if option.param_type_name == "option":
            assert option.opts[-1] in done.stdout
            assert getattr(option, "help", None), f"{option.name} has no help"
