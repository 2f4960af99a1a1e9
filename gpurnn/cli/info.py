"""`gpurnn info`: shows what a corpus, a run or a model is."""

import json
from pathlib import Path
from typing import Any

import click

from gpurnn.cli import console
from gpurnn.cli.cells import printable
from gpurnn.cli.options import PATH, Command
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.describe import describe_corpus
from gpurnn.data.series.durations import in_words
from gpurnn.runs.checkpoint import begins_as_checkpoint

_MOST = 40
"""Columns, labels and the like that are shown; --json has all of them."""


@click.command(cls=Command)
@click.argument("path", metavar="FILE_OR_RUN", type=PATH)
@click.option("--verify", is_flag=True, help="Read the whole corpus and compare it with its digests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(path: Path, verify: bool, as_json: bool) -> None:
    """Show what a corpus (a file), a run (a folder), or a model or a checkpoint (a file) is."""
    if path.is_dir():
        from gpurnn.training.describe import describe_run

        facts = describe_run(path, console.warn)
    elif begins_as_checkpoint(path):
        from gpurnn.training.describe import describe_model

        facts = describe_model(path)
    else:
        facts = _corpus(path, verify)
    console.show(json.dumps(facts) if as_json else "\n".join(_lines(facts)))


def _corpus(path: Path, verify: bool) -> dict[str, Any]:
    with Corpus.open(path) as corpus:
        if not verify:
            return describe_corpus(corpus)
        corpus.verify()
        return describe_corpus(corpus) | {"verified": True}


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    """One line a fact, those of a dictionary below its name."""
    lines = []
    for name, value in facts.items():
        if (name, value) == ("symbols", 0):
            continue  # a model of numbers reads none
        label = f"{indent}{printable(name if indent else name.replace('_', ' ')):<14}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = _by_name(value)
        if isinstance(value, dict) and not indent:
            lines.append(label.rstrip())
            lines += _lines(value, indent + "  ")
        else:
            lines.append(f"{label}  {in_words(value) if name == 'interval' else _shown(value)}".rstrip())
    return lines


def _by_name(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What is said of each of a list, which has names, by its name; of a long list its beginning."""
    found: dict[str, Any] = {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in parts[:_MOST]}
    return found | ({f"and {len(parts) - _MOST:,} more": ""} if len(parts) > _MOST else {})


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        more = f"  and {len(value) - _MOST:,} more" if len(value) > _MOST else ""
        return "  ".join(f"{x[0]!r} {x[1]:.2%}" if isinstance(x, list) else _shown(x) for x in value[:_MOST]) + more
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else printable(str(value))
