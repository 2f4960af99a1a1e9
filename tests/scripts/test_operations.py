"""The C declarations of compiled operations are those of Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpurnn.training.optimizer import OPTIMIZERS

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "operations", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_they_are_up_to_date() -> None:
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_declaration_names_the_arguments_in_their_order() -> None:
    header = (ROOT / "gpurnn" / "operations.h").read_text()
    declared = header[header.index("void adam(") :].partition(");")[0]
    places = [declared.index(f"restrict {name}") for name in OPTIMIZERS["adam"].arguments]
    assert places == sorted(places)
    assert declared.count("REAL *restrict") == 5
    assert declared.count("const double *restrict") == 2
    assert "const REAL *restrict g" in declared, "what is only read is const"


def test_wrong_use_is_told() -> None:
    assert run("--wirte").returncode == 2
    assert "usage:" in run("--help").stdout
