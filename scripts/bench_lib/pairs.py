"""Training on pairs: a decoder that starts from what an encoder has read, without attention; the processes in turn.

The pairs are as long as words and their sounds are in a pronouncing dictionary. gpurnn packs them into the lanes of a
window; PyTorch reads those of each window as a batch of its own.
"""

from __future__ import annotations

import random
import statistics
import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import gpurnn
from bench_lib.check import TOLERANCE, difference
from bench_lib.measure import ROUNDS, alternate
from bench_lib.process import Process, ProgramError
from bench_lib.stats import Ratio, ratio
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window
from gpurnn.data.stream.pairs import PairStream, longest_of, pair_geometry
from gpurnn.network import ModelConfig
from gpurnn.network.chain import parts_of, specs_of

CELLS = ("gru", "lstm")
LETTERS, SOUNDS = string.ascii_lowercase + "'", string.ascii_letters[:39]
LANES, STEPS = 32, 64
"""Windows have about as many steps as so many lanes of so many."""
POOL = 16
"""Different windows; they come round in turn."""
_PAIRS = 6000
_LONGEST = 20
_SECONDS = 0.7
_SMALL = 12
"""Hidden units and the width of an embedding where gradients are compared."""
_WINDOWS = 6
_SEED = 40


@dataclass(frozen=True)
class PairCase:
    """One model. both: whether the source is read in both directions."""

    cell: str
    both: bool
    hidden: int = 256
    embedding: int = 64

    @property
    def config(self) -> ModelConfig:
        """As gpurnn has it; a target has an end besides its symbols."""
        return ModelConfig(
            len(SOUNDS) + 1,
            cell=self.cell,
            hidden=self.hidden,
            embedding=self.embedding,
            dropout=0.0,
            source=len(LETTERS),
            source_embedding=self.embedding,
            encoder=("both_directions" if self.both else "recurrent", "dropout"),
            start="encoder",
        )

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """Initial values by the names and in the layouts of gpurnn, uniform in ±1/sqrt(H)."""
        rng, limit = np.random.default_rng(_SEED), self.hidden**-0.5
        specs = specs_of(parts_of(self.config))
        return {spec.name: rng.uniform(-limit, limit, spec.shape).astype(np.float32) for spec in specs}

    def __str__(self) -> str:
        return f"{self.cell}, encoder in {'both directions' if self.both else 'one direction'}"


def cases(**sizes: int) -> list[PairCase]:
    """Each cell with an encoder of each kind. sizes: that are not as usual."""
    return [PairCase(cell, both, **sizes) for cell, both in product(CELLS, (False, True))]


def prepared(corpus: Path) -> None:
    """Make the corpus, of random symbols."""
    rng = random.Random(_SEED)
    lines = []
    for symbols in [*LETTERS, *SOUNDS]:  # each of them is there, whatever is drawn
        lines.append(f"{symbols if symbols in LETTERS else 'a'}\t{symbols if symbols in SOUNDS else 'a'}\n")
    while len(lines) < _PAIRS:
        letters = _drawn(rng, 8, 2.2)
        sounds = _drawn(rng, 0.85 * letters, 0.9)
        lines.append(f"{''.join(rng.choices(LETTERS, k=letters))}\t{''.join(rng.choices(SOUNDS, k=sounds))}\n")
    table = corpus.with_suffix(".tsv")
    table.write_text("".join(lines), "utf-8")
    gpurnn.prepare(table, corpus, pairs=True, tokens="chars", split=(1, 0, 0))


def _drawn(rng: random.Random, mean: float, deviation: float) -> int:
    return min(_LONGEST, max(1, round(rng.gauss(mean, deviation))))


def stream_of(corpus: Corpus, *, plan: bool) -> PairStream:
    """Windows of the train split without end, in an order that is always the same."""
    split = corpus.split("train")
    lanes, source_steps, steps = pair_geometry(*longest_of(split), LANES, STEPS)
    return PairStream(corpus, "train", lanes=lanes, steps=steps, source_steps=source_steps, plan=plan, prefetch=False)


def pool_of(stream: PairStream) -> list[Window]:
    """The first windows."""
    return list(islice(stream, POOL))


def sequences(window: Window) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Of each pair in a window: its source, what the decoder reads, and its targets."""
    lanes = window.carry.shape[1]
    for n in np.flatnonzero(window.there).tolist():
        source = slice(window.source_first[n], window.source_last[n] + 1, lanes)
        target = slice(window.target_first[n], window.target_last[n] + 1, lanes)
        yield (
            window.source.reshape(-1)[source].astype(np.int64),
            window.tokens.reshape(-1)[target].astype(np.int64),
            window.targets.reshape(-1)[target].astype(np.int64),
        )


def check_pairs(processes: Mapping[str, Process], corpus: Path) -> Iterator[tuple[bool, str]]:
    """For each case, small, and each way of PyTorch: whether it agrees with gpurnn, and a line that says so."""
    if "pytorch" not in processes:
        return
    for case in cases(hidden=_SMALL, embedding=_SMALL):
        asked = {"case": asdict(case), "corpus": str(corpus), "windows": _WINDOWS}
        (wanted,) = processes["gpurnn"].ask("pairs_trace", **asked).values()
        for way, found in processes["pytorch"].ask("pairs_trace", **asked).items():
            worst = difference(wanted, found)
            yield worst <= TOLERANCE, f"pairs, {case}: pytorch {way}: largest difference {worst:.1e}"


@dataclass
class PairTimes:
    """seconds: of a window by program, one a round. way: in which PyTorch was the fastest."""

    case: PairCase
    seconds: dict[str, list[float]]
    way: str

    @property
    def ratio(self) -> Ratio:
        """How many times as long as PyTorch gpurnn takes, round by round."""
        return ratio(self.seconds["pytorch"], self.seconds["gpurnn"])

    def __str__(self) -> str:
        mean = {name: 1e3 * statistics.median(each) for name, each in self.seconds.items()}
        took = ", ".join(f"{name} {each:.1f} ms" for name, each in mean.items())
        found = self.ratio
        return (
            f"{self.case!s:<33}{took} a window ({self.way}): gpurnn takes {found.median:.2f} "
            f"({found.low:.2f}-{found.high:.2f}) times as long"
        )


def compare_pairs(processes: Mapping[str, Process], corpus: Path, rounds: int = ROUNDS) -> Iterator[PairTimes]:
    """Times of both programs, case by case. Raises ProgramError where they do not compute the same."""
    for ok, line in check_pairs(processes, corpus):
        if not ok:
            raise ProgramError(f"{line}: not the same training")
    for case in cases():
        ready = {name: each.ask("pairs", case=asdict(case), corpus=str(corpus)) for name, each in processes.items()}
        about = {name: reply["seconds"] for name, reply in ready.items()}
        yield PairTimes(case, alternate(processes, about, _SECONDS, rounds), ready["pytorch"]["way"])
