"""The recipes of docs/logs.md run as they stand, with programs in place of those that they need."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "logs.md"
LINES = [{"window": 50, "nats_per_token": 2.5, "gradient_norm": None}, {"window": 100, "nats_per_token": 2.25}]
LOGGED = [({"window": 50, "nats_per_token": 2.5}, 50), ({"window": 100, "nats_per_token": 2.25}, 100)]


@pytest.mark.parametrize("number", [0, 1], ids=["wandb", "mlflow"])
def test_a_recipe(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = tmp_path / "runs" / "book"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"training":{}}\n')
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    monkeypatch.chdir(tmp_path)
    logged: list[tuple[dict[str, float], int]] = []
    told: list[dict[str, Any]] = []

    def log(numbers: dict[str, float], step: int) -> None:
        logged.append((numbers, step))

    @contextmanager
    def begin(**settings: Any):
        told.append(settings)
        yield SimpleNamespace(log=log)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=begin))
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(start_run=begin, log_metrics=log))
    code = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)[number]
    exec(compile(code, DOCS, "exec"), {})
    assert logged == LOGGED
    assert "book" in (told[0].get("name"), told[0].get("run_name"))
