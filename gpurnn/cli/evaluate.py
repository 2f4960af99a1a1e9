"""`gpurnn evaluate`: measures a run on a split of a corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from gpurnn import backend
from gpurnn.api.models import evaluate as evaluate_run
from gpurnn.cli.console import Output, warn
from gpurnn.cli.labels_table import table_of as labels_table
from gpurnn.cli.model_options import checkpoint_option, device_option, run_argument
from gpurnn.cli.options import OUTPUT_FILE, PATH, Command, options_of
from gpurnn.cli.pairs_table import table_of as pairs_table
from gpurnn.cli.progress import Bar
from gpurnn.cli.series_table import table_of as series_table
from gpurnn.cli.transcripts_table import table_of as transcripts_table
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.evaluation.labels import LabelsEvaluation
from gpurnn.evaluation.language_model import Evaluation
from gpurnn.evaluation.pairs import PairEvaluation
from gpurnn.evaluation.series import SeriesEvaluation
from gpurnn.evaluation.trained import Found, evaluate_trained
from gpurnn.evaluation.transcripts import TranscriptEvaluation
from gpurnn.exceptions import shell_word
from gpurnn.training.load import load_trained
from gpurnn.training.session import open_corpus

_option = options_of(evaluate_run)


@click.command(cls=Command)
@run_argument
@click.argument("corpus", required=False, type=PATH)
@_option("--split", type=click.Choice(SPLITS), default="valid")
@_option("--lanes", type=click.IntRange(1), default=1)
@_option("--plot", type=OUTPUT_FILE, metavar="FILE")
@_option("--beam", type=click.IntRange(1))
@_option("--lm", type=PATH, metavar="RUN")
@_option("--lm-weight", type=click.FloatRange(0))
@_option("--words", type=PATH, metavar="FILE")
@checkpoint_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(
    run: Path,
    corpus: Path | None,
    split: str,
    lanes: int,
    plot: Path | None,
    beam: int | None,
    lm: Path | None,
    lm_weight: float | None,
    words: Path | None,
    checkpoint: str,
    device: str,
    as_json: bool,
) -> None:
    """Measure RUN on a split of CORPUS, or of the corpus it was trained on.

    Of text, every token of the split but its first and those that begin a
    document is predicted once, from all of the text before it. Of measured
    series, every known number that is to be forecast counts; beside the model
    stand simple forecasts of the same numbers. Of labels and tags, each one
    counts; beside the model stand simple guesses, and spans of words count as
    they are, strictly. Of frames, what is read in them stands beside their
    texts, by characters and by words.

    \b
      gpurnn evaluate runs/book
      gpurnn evaluate runs/book other.h5 --split test --json
      gpurnn evaluate runs/temp --split test --plot temp.svg
      gpurnn evaluate runs/mood --split test
      gpurnn evaluate runs/sounds --split test --beam 5
      gpurnn evaluate runs/lines --split test --lm runs/book
    """
    with Output() as out:
        trained = load_trained(run, backend.get(device), checkpoint=checkpoint, on_warning=warn)
        with open_corpus(trained.checkpoint) if corpus is None else Corpus.open(corpus) as opened, Bar() as bar:
            result = evaluate_trained(
                trained,
                opened,
                split,
                lanes=lanes,
                plot=plot,
                beam=beam,
                lm=lm,
                lm_weight=lm_weight,
                words=words,
                on_warning=warn,
                on_progress=lambda done, targets: bar("evaluate", done, targets),
            )
        if as_json:
            out.write(json.dumps(result.to_json()) + "\n")
            return
        measured = shell_word(trained.checkpoint.path or run)
        out.write(f"{measured} on split {split} of {shell_word(opened.path)}\n")
        out.write("".join(f"{line}\n" for line in _lines(result)))


def _lines(result: Found) -> Iterator[str]:
    if isinstance(result, SeriesEvaluation):
        yield from series_table(result)
    elif isinstance(result, LabelsEvaluation):
        yield from labels_table(result)
    elif isinstance(result, PairEvaluation):
        yield from pairs_table(result)
    elif isinstance(result, TranscriptEvaluation):
        yield from transcripts_table(result)
    else:
        yield from (f"  {name:<11}{value:>15}" for name, value in _shown(result).items())


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
