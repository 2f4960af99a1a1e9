"""`gpurnn evaluate`: measures a run on a split of a corpus."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gpurnn import backend
from gpurnn.cli.options import PATH, checkpoint_option, device_option, run_argument, warn
from gpurnn.data.corpus import Corpus
from gpurnn.data.schema import SPLITS
from gpurnn.evaluate import Evaluation
from gpurnn.evaluate import evaluate as evaluate_split
from gpurnn.training.load import load_trained
from gpurnn.training.session import open_corpus


@click.command()
@run_argument
@click.argument("corpus", required=False, type=PATH)
@click.option("--split", type=click.Choice(SPLITS), default="valid", help="Which part of the corpus.")
@click.option(
    "--lanes",
    type=click.IntRange(1),
    default=1,
    help="Stretches read side by side: faster, but each begins with a state of zeros.",
)
@checkpoint_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(
    run: Path, corpus: Path | None, split: str, lanes: int, checkpoint: str, device: str, as_json: bool
) -> None:
    """Measure RUN on a split of CORPUS, or of the corpus it was trained on.

    Every token of the split but its first and those that begin a document is
    predicted once, from all of the text before it.

    \b
      gpurnn evaluate runs/book
      gpurnn evaluate runs/book other.h5 --split test --json
    """
    trained = load_trained(backend.get(device), run, checkpoint, warn)
    with open_corpus(trained.checkpoint) if corpus is None else Corpus.open(corpus) as opened, _bar() as on_progress:
        result = evaluate_split(trained.model, trained.language, opened, split, lanes=lanes, on_progress=on_progress)
    if as_json:
        click.echo(json.dumps(result.to_json()))
        return
    click.echo(f"{trained.checkpoint.path} on split {split} of {opened.path}")
    for name, value in _shown(result).items():
        click.echo(f"  {name:<11}{value:>15}")


def _shown(result: Evaluation) -> dict[str, str]:
    def number(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.4f}"

    shown = {
        "tokens": f"{result.tokens:,}",
        "nats/token": number(result.nats_per_token),
        "bits/char": number(result.bits_per_char),
        "bits/byte": number(result.bits_per_byte),
        "perplexity": number(result.perplexity),
        "lanes": f"{result.lanes:,}",
    }
    if result.stuck_lanes:
        shown |= {"stuck lanes": f"{result.stuck_lanes:,}", "median": number(result.median_nats_per_token)}
    return shown


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """What shows how far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, targets: None
        return
    with click.progressbar(length=1, label="evaluating", file=sys.stderr) as bar:
        shown: Any = bar

        def update(done: int, targets: int) -> None:
            shown.length = targets
            shown.update(done - shown.pos)

        yield update
