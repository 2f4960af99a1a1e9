"""`gpurnn predict`: what a trained model says of each row of a file, or of standard input, as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gpurnn import backend
from gpurnn.api.uses import expect_use
from gpurnn.cli.console import warn
from gpurnn.cli.model_options import checkpoint_option, device_option, run_argument
from gpurnn.cli.options import FILE_NAME, OUTPUT_FILE, PATH, Command, given_to
from gpurnn.cli.predict_frames import predict_frames, predict_rows
from gpurnn.cli.predict_labels import predict_labels
from gpurnn.cli.predict_pairs import predict_captions, predict_pairs
from gpurnn.cli.predict_series import predict_series
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.exceptions import UsageError
from gpurnn.generation.pairs import PairModel
from gpurnn.training.hearing import WEIGHT, Hearing
from gpurnn.training.load import Trained, load_trained
from gpurnn.training.meaning import in_words, kind_of

_LABELLED, _PAIRED = ("labels", "tags"), ("pairs", "captions")
_HEARING = ("lm", "lm_weight", "words")
_OF_KINDS = {
    **dict.fromkeys(("state",), ("series",)),
    **dict.fromkeys(("text_column", "plain"), (*_LABELLED, "pairs")),
    **dict.fromkeys(("probabilities",), (*_LABELLED, *_PAIRED, "frames")),
    **dict.fromkeys(("beam", "n_best"), (*_PAIRED, "frames")),
    **dict.fromkeys(("max_length",), _PAIRED),
    **dict.fromkeys(("alignment",), ("pairs",)),
    **dict.fromkeys(("times", "rows", *_HEARING), ("frames",)),
}
"""Options that are for models of some kinds alone, and which these are."""
_NOT_OF_ROWS = ("jsonl", "probabilities", "beam", "n_best", "times", *_HEARING)
"""Options that do not go with frames as they come."""


@click.command(cls=Command)
@run_argument
@click.argument("file", type=FILE_NAME, metavar="FILE|-")
@click.option("--jsonl", is_flag=True, help="Print a JSON object a row, or a sentence, instead.")
@click.option(
    "--bad-rows",
    type=click.Choice(("stop", "skip")),
    default="stop",
    help="What to do at a row that is none, or of a series not later than the one before it, or of a file that cannot "
    "be read: stop, or leave it out.",
)
@click.option(
    "--probabilities",
    is_flag=True,
    help="Labels and tags: add the probability of each; in JSON of all that there are. Pairs and frames: add its "
    "logarithm.",
)
@click.option(
    "--text-column",
    metavar="COLUMN",
    multiple=True,
    help="Labels: column of the text, text unless given; may be repeated; first, last and numbers from 1 mean that "
    "there is no header. Tags: column of the word, first unless given. Pairs: column of the source, source "
    "unless given.",
)
@click.option("--plain", is_flag=True, help="Labels, tags and pairs: each line is a text, or a sentence of words.")
@click.option(
    "--beam",
    type=click.IntRange(1),
    help="Pairs and frames: follow so many texts of a source at a time; with 1, as unless given, always the likeliest "
    "next symbol is taken. Frames with --lm or --words: 8 unless given.",
)
@click.option(
    "--n-best",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Pairs and frames: print so many texts of each source.",
)
@click.option(
    "--max-length",
    type=click.IntRange(1),
    help="Pairs: cut a text at so many symbols, its end among them; unless given at 10 more than twice its source.",
)
@click.option(
    "--alignment",
    is_flag=True,
    help="Pairs, with attention: add from which symbol of the source each symbol comes, as source-target from 0.",
)
@click.option(
    "--times",
    is_flag=True,
    help="Frames: add where each symbol begins, in seconds of sound, else in frames from 0.",
)
@click.option(
    "--lm",
    type=PATH,
    metavar="RUN",
    help="Frames: prefer texts that this run, a model of text, finds likely; it was trained on a text a line.",
)
@click.option(
    "--lm-weight",
    type=click.FloatRange(0),
    help=f"Frames: how much the logarithm of the probability that --lm gives a text counts; {WEIGHT} unless given.",
)
@click.option(
    "--words", type=PATH, metavar="FILE", help="Frames: texts have no other words than those in FILE, one a line."
)
@click.option(
    "--rows",
    is_flag=True,
    help="Frames: FILE has the numbers of a frame a line; each symbol is printed as soon as it is heard; an empty line "
    "ends a text. For models of one direction.",
)
@click.option(
    "--state",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Series: go on from what was kept of each in FILE, if it is there; keep it there at the end and after a stop.",
)
@checkpoint_option
@device_option
@click.pass_context
def predict(ctx: click.Context, /, run: Path, file: str, checkpoint: str, device: str, **options: Any) -> None:
    """Forecast, label, tag, translate or transcribe with RUN what stands in FILE, or
    comes from standard input.

    A row comes back with all its cells and what RUN says of it, as soon as
    that is known.

    Of measured series: a column for each forecast, such as temp+24h, then the
    time that it is for. FILE is a table with the columns that RUN was trained
    on, each series in the order of its times; a missing number is left empty.
    Of a series its state is kept, so that a row costs one step, and it may come
    for ever.

    Of labels: FILE has JSON objects, if it begins with a brace, or is a table,
    if its first row names the column of the text; otherwise each line is a
    text, and comes back behind its label and a tab. A text that is empty gets
    no label.

    Of tags: FILE has a word a line, a blank line behind each sentence, and any
    columns; it comes back with one more.

    Of labels and tags of series: FILE is a table, in which the rows of a series
    are together; they come back with one more column.

    Of pairs: FILE has sources, in any form that texts of labels have; each line
    comes back with a tab and the text that is made of it, or with one more
    column. Of captions: FILE is a .npy file with a vector a row, and a line
    comes out for each.

    Of frames: FILE has them, as a .npy, .npz, .wav or .png file, or it lists such
    files, one a line; each line comes back with a tab and what is heard.

    \b
      gpurnn predict runs/temp new.csv > forecast.csv
      tail -F station.csv | gpurnn predict runs/temp - --state station.state
      gpurnn predict runs/mood posts.txt --probabilities
      gpurnn predict runs/names text.conll
      echo amsterdam | gpurnn predict runs/sounds - --beam 5
      gpurnn predict runs/speech call.wav --times
      ls *.png | gpurnn predict runs/lines - --lm runs/book --words words.txt
    """
    trained = load_trained(run, backend.get(device), checkpoint=checkpoint, on_warning=warn)
    expect_use(trained, "predict", run)
    given = set(given_to(ctx))
    _refuse_others(trained, given)
    skip, jsonl = options["bad_rows"] == "skip", options["jsonl"]
    if isinstance(trained.meaning, Labelling):
        predict_labels(
            trained,
            file,
            columns=options["text_column"],
            plain=options["plain"],
            probabilities=options["probabilities"],
            jsonl=jsonl,
            skip=skip,
        )
    elif isinstance(trained.meaning, PairLanguage):
        model = PairModel.of(
            trained,
            beam=options["beam"] or 1,
            n_best=options["n_best"],
            longest=options["max_length"],
            attended=options["alignment"],
        )
        if model.encoder is None:
            predict_captions(model, file, probabilities=options["probabilities"], jsonl=jsonl)
            return
        predict_pairs(
            model,
            file,
            columns=options["text_column"],
            plain=options["plain"],
            probabilities=options["probabilities"],
            alignment=options["alignment"],
            jsonl=jsonl,
            skip=skip,
        )
    elif isinstance(trained.meaning, Transcription):
        _predict_frames(trained, file, given, options, skip=skip)
    else:
        predict_series(trained, file, options["state"], jsonl=jsonl, skip=skip)


def _predict_frames(trained: Trained, file: str, given: set[str], options: dict[str, Any], *, skip: bool) -> None:
    if options["rows"]:
        for name in _NOT_OF_ROWS:
            if name in given:
                raise UsageError(
                    f"`{name}` does not go with `rows`: each symbol is printed alone; leave one of them out"
                )
        predict_rows(trained, file, skip=skip)
        return
    settings = {name: options[name] for name in ("beam", "n_best", *_HEARING)}
    hearing = Hearing.of(trained, scores=options["probabilities"], on_warning=warn, **settings)
    predict_frames(
        trained,
        file,
        hearing,
        probabilities=options["probabilities"],
        times=options["times"],
        jsonl=options["jsonl"],
        skip=skip,
    )


def _refuse_others(trained: Trained, given: set[str]) -> None:
    kind = kind_of(trained.meaning)
    for name, kinds in _OF_KINDS.items():
        if name in given and kind not in kinds:
            *others, last = map(in_words, kinds)
            what = f"{', '.join(others)} and {last}" if others else last
            raise UsageError(f"`{name}` is for models of {what}; {trained.checkpoint.path} is none; leave it out")
