"""`gpurnn doctor`: looks at a run and says what it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import click
from click.exceptions import Exit

from gpurnn import backend
from gpurnn.cli import console
from gpurnn.cli.cells import printable
from gpurnn.cli.console import warn, with_options
from gpurnn.cli.model_options import device_option, run_argument
from gpurnn.cli.options import FILE_NAME, OUTPUT_FILE, PATH, Command, as_declared, parse_escapes
from gpurnn.cli.progress import Bar
from gpurnn.data.corpus import Corpus
from gpurnn.diagnosis.doctor import PANELS, PARAMETERS, look_at
from gpurnn.diagnosis.findings import LEVELS
from gpurnn.diagnosis.report import Report, plain
from gpurnn.diagnosis.reportpage import page_of
from gpurnn.diagnosis.subject import opened
from gpurnn.exceptions import UsageError
from gpurnn.files.durable import write_durably
from gpurnn.files.output import STANDARD_OUTPUT, find_output
from gpurnn.settings import NotNegative
from gpurnn.signals import unwinding

_CALLED = {"looked_at": "run", "run": "training"}
"""What a line calls a panel whose name would say too little there."""


@click.command(cls=Command)
@run_argument
@click.argument("corpus", required=False, type=PATH)
@click.option(
    "-o", "--output", type=OUTPUT_FILE, metavar="FILE", help="Write a page with pictures there, for any browser."
)
@click.option(
    "--json",
    "as_json",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Write all numbers there, as one JSON object; -: show that, and no lines.",
)
@click.option(
    "--seconds",
    type=float,
    default=25.0,
    callback=as_declared(NotNegative),
    help="How long all measures take together.",
)
@click.option("--checkpoint", type=FILE_NAME, metavar="best|last|FILE", default="last", help="What is looked at.")
@click.option(
    "--parameters",
    type=click.Choice(PARAMETERS),
    help="last: those that updates see. average: those that are validated. Unless given, each where it is used.",
)
@click.option(
    "--fail-on", type=click.Choice(LEVELS[2:]), help="Exit with 1 where something as bad as that is found of RUN."
)
@click.option("--against", type=PATH, metavar="RUN", help="Look at another run, too, with half of the time each.")
@click.option(
    "--text",
    metavar="TEXT",
    callback=parse_escapes,
    help="Of text: show what the symbols of this one cost, up to 512; \\n is a newline, \\\\ a backslash.",
)
@click.option("--seed", type=click.IntRange(0), default=1, help="Of the places that are looked at.")
@device_option
@click.option("--force", is_flag=True, help="Replace a FILE that exists.")
def doctor(
    run: Path,
    corpus: Path | None,
    output: Path | None,
    as_json: Path | None,
    seconds: float,
    checkpoint: str,
    parameters: str | None,
    fail_on: str | None,
    against: Path | None,
    text: str | bytes | None,
    seed: int,
    device: str,
    force: bool,
) -> None:
    """Look at RUN and say what is found, and what to do.

    How far errors reach back, what windows cut of the gradient, what the carried
    state is worth, whether states recover, what units and gates do, what the text
    costs where, how training goes. CORPUS: where it is now. Nothing is written
    but those FILEs; a run may be in training meanwhile.

    \b
      gpurnn doctor runs/book
      gpurnn doctor runs/book -o book.html
      gpurnn doctor runs/book -o two.html --against runs/other --text "It was"
      gpurnn doctor runs/book --json book.json --fail-on warning
    """
    if printed := as_json == STANDARD_OUTPUT:
        as_json = None
    targets = [find_output(path, replace=force) for path in (output, as_json) if path is not None]
    if len(targets) > len(set(targets)):
        raise UsageError(f"-o and --json: both lead to {targets[0]}; give two names")
    be = backend.get(device)
    runs = [run] if against is None else [run, against]
    with ExitStack() as stack, Bar() as bar:
        given = None if corpus is None else stack.enter_context(Corpus.open(corpus))
        subjects = [
            stack.enter_context(opened(each, be, given, checkpoint=checkpoint, text=text, on_warning=warn))
            for each in runs
        ]
        for subject in subjects:
            subject.refuse_to_replace(targets)
        first, *others = [
            look_at(
                subject,
                parameters=parameters,
                seconds=seconds / len(runs),
                seed=seed,
                on_panel=lambda name: bar("doctor", PANELS.index(name), len(PANELS)),
            ).said(with_options)
            for subject in subjects
        ]
    numbers = json.dumps(first.to_json(*others), allow_nan=False)
    try:
        with suppress(console.ReaderGoneError):  # what it did not want to see has been measured all the same
            console.show(numbers if printed else "\n".join(_lines(first, others)))
    finally:
        with unwinding():
            if as_json is not None:
                write_durably(as_json, [numbers.encode("ascii"), b"\n"], replace=force)
            if output is not None:
                write_durably(output, [page_of(first, *others)], replace=force)
    if fail_on is not None and LEVELS.index(first.level) >= LEVELS.index(fail_on):
        raise Exit(1)


def _lines(first: Report, others: Sequence[Report]) -> Iterator[str]:
    for name, panel in first.panels.items():
        yield f"{panel.level:<8}{_CALLED.get(name, name):<9} {printable(panel.sentence)}"
    for other in others:
        yield f"against {printable(other.run)}: {_differences(first, other)}"


_COMPARED = (
    ("cosine of a window's gradient", "window", "cosine"),
    ("steps in which an error halves", "reach", "half"),
    ("starts that never recovered", "recovery", "stuck"),
    ("loss of a target", "text", "mean"),
)
"""What is told of two runs: what it is, of which panel, and its name among the numbers."""


def _differences(first: Report, other: Report) -> str:
    """The numbers of the first run, and those of the other in brackets."""
    told = []
    for called, panel, name in _COMPARED:
        values = [plain(report.panels[panel].numbers.get(name)) for report in (first, other)]
        alike = panel != "text" or first.fingerprint == other.fingerprint  # else a target is not the same thing
        if alike and None not in values:
            told.append(f"{called} {values[0]:.4g} ({values[1]:.4g})")
    return ", ".join(told) or "nothing that both have was measured"
