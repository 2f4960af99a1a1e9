"""The files of the scripts go where outputs may go, and are refused before the work begins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench_lib import __main__ as bench
from gpu_check_lib import __main__ as gpu_check
from gpu_check_lib.report import Report
from nodes import FOLDERS, FREE, SPECIAL, files, picture
from tasks_lib import __main__ as tasks

FILES = files(b"old")


def refused(main: Callable[[], int], arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match="2"):
        main()


@pytest.mark.parametrize("kind", [*FOLDERS, *SPECIAL])
def test_figures_of_the_benchmark(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.json"
    {**FOLDERS, **SPECIAL}[kind](output)
    before = picture(tmp_path)
    refused(bench.main, ["bench", "--quick", "--json", str(output)], monkeypatch)
    assert f"argument --json: {output}: " in capsys.readouterr().err
    assert picture(tmp_path) == before


@pytest.mark.parametrize("kind", [*FOLDERS, *SPECIAL])
def test_figures_of_the_tasks(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.json"
    {**FOLDERS, **SPECIAL}[kind](output)
    before = picture(tmp_path)
    refused(tasks.main, ["tasks", "--json", str(output)], monkeypatch)
    assert f"argument --json: {output}: " in capsys.readouterr().err
    assert picture(tmp_path) == before


@pytest.mark.parametrize("kind", [*FILES, *SPECIAL])
def test_the_folder_of_the_report(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    {**FILES, **SPECIAL}[kind](output)
    before = picture(tmp_path)
    refused(gpu_check.main, ["gpu_check", "--output", str(output)], monkeypatch)
    assert f"argument --output: {output}: " in capsys.readouterr().err
    assert picture(tmp_path) == before


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (bench.main, ["bench", "--json", "-"]),
        (tasks.main, ["tasks", "--json", "-"]),
        (gpu_check.main, ["gpu_check", "--output", "-"]),
    ],
)
def test_standard_output_is_refused(
    main: Callable[[], int],
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(main, arguments, monkeypatch)
    assert "-: an output goes to a file" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [*FREE, *FOLDERS])
def test_a_report_is_made_where_links_lead(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    {**FREE, **FOLDERS}[kind](output)
    output.resolve().mkdir(exist_ok=True)
    (output / "report.json").symlink_to("figures.json")
    Report(output, "report", False, 10.0).write()
    assert output.is_symlink() == ("link" in kind)
    assert (output / "report.json").is_symlink()
    assert sorted(path.name for path in output.iterdir()) == ["figures.json", "report.json", "report.md"]


def test_what_comes_in_the_way_of_a_report_stays(tmp_path: Path) -> None:
    report = Report(tmp_path, "report", False, 10.0)
    SPECIAL["FIFO"](report.text)
    before = picture(tmp_path)
    with pytest.raises(OSError, match=r"report\.md"):
        report.write()
    assert picture(tmp_path) == before
