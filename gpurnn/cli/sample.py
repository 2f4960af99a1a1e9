"""`gpurnn sample`: generates text with a trained run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from gpurnn import backend
from gpurnn.api.models import TrainedModel
from gpurnn.api.uses import expect_use
from gpurnn.cli.console import Output, standard_input, warn
from gpurnn.cli.model_options import checkpoint_option, device_option, run_argument
from gpurnn.cli.options import FILE_NAME, Command, options_of, parse_escapes, setting
from gpurnn.exceptions import UsageError
from gpurnn.generation.fromvector import captions_of, generator_of, read_vector
from gpurnn.generation.generate import Generator
from gpurnn.generation.pieces import TextMaker
from gpurnn.generation.prompt import Prompt, read_prompt
from gpurnn.generation.sampler import Sampling
from gpurnn.training.load import Trained, load_trained

_option = options_of(TrainedModel.generate)
_drawing = partial(setting, _option, Sampling)


@click.command(cls=Command)
@run_argument
@_option("--prompt", metavar="TEXT", callback=parse_escapes, more_help="\\n is a newline, \\\\ a backslash.")
@click.option(
    "--prompt-file", type=FILE_NAME, metavar="FILE", help="A file with the prompt, taken as it is; - is standard input."
)
@_option("--length", type=click.IntRange(0), default=1000)
@_drawing("--temperature")
@_drawing("--top-k")
@_drawing("--top-p")
@_drawing("--seed")
@_option("--stop", metavar="TEXT", callback=parse_escapes, more_help="\\n likewise.")
@click.option(
    "--vector", type=FILE_NAME, metavar="FILE", help="Of a model of captions: a .npy file of vectors, a row each."
)
@click.option("--row", type=click.IntRange(0), help="Which of them the text is made from; the first one is 0.")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    default=1,
    help="Texts to make, the second with seed + 1 and so on.",
)
@checkpoint_option
@device_option
def sample(run: Path, checkpoint: str, device: str, **given: Any) -> None:
    """Generate text with RUN, shown as it is made.

    Without a prompt the text begins as the documents of the corpus do. A
    symbol is a character, a byte or a word, as the corpus was prepared. With a
    model of captions the text is made from a vector, and ends by itself.

    \b
      gpurnn sample runs/book --length 500 --temperature 0.8
      gpurnn sample runs/book --prompt "It was" --stop "." -n 3
      gpurnn sample runs/book --prompt-file start.txt --length 0
      gpurnn sample runs/names --vector pictures.npy --row 7 -n 3
    """
    prompt, prompt_file = given["prompt"], given["prompt_file"]
    if prompt is not None and prompt_file is not None:
        raise UsageError("sample: give --prompt or --prompt-file, not both")
    if given["count"] > 1 and given["length"] == 0 and given["stop"] is None:
        raise UsageError("sample: with --length 0 the first text never ends; leave out -n, or give --length or --stop")
    with Output() as out:
        trained = load_trained(run, backend.get(device), checkpoint=checkpoint, on_warning=warn)
        expect_use(trained, "sample", run)
        prompted = prompt is not None or prompt_file is not None
        generator = generator_of(trained, _vector(trained, given), prompted=prompted)
        if isinstance(generator, Generator):
            generator.read(prompt or "" if prompt_file is None else _from_file(trained, prompt_file))
        _write(out, generator, given)


def _from_file(trained: Trained, name: str) -> Prompt:
    return read_prompt(trained.language, None if name == "-" else Path(name), standard_input())


def _vector(trained: Trained, given: dict[str, Any]) -> NDArray[np.float32] | None:
    """The vector that a text is made from, if any."""
    if given["vector"] is not None:
        return read_vector(Path(given["vector"]), given["row"] or 0, captions_of(trained))
    if given["row"] is not None:
        raise UsageError("sample: --row is that of a file of vectors; give --vector, too")
    return None


def _write(out: Output, generator: TextMaker, given: dict[str, Any]) -> None:
    """One text after the other, with a line before each where there are several."""
    count, seed = given["count"], given["seed"]
    for number in range(count):
        pieces = generator.pieces(
            seed=None if seed is None else seed + number,
            **{name: given[name] for name in ("length", "temperature", "top_k", "top_p", "stop")},
        )
        if count > 1:
            out.write(f"--- {number + 1} of {count} ---\n")
        for piece in pieces:
            out.write(piece)
        if count > 1:
            out.end_line()
