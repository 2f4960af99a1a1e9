"""The command behind `scripts/bench`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from bench_lib import cases, report, whole
from bench_lib.cases import Case
from bench_lib.check import check
from bench_lib.measure import ROUNDS, as_json, measure
from bench_lib.outputs import output_file
from bench_lib.packed import check_packed
from bench_lib.pairs import check_pairs, compare_pairs
from bench_lib.pairs import prepared as prepared_pairs
from bench_lib.process import THREADS, Process, ProgramError
from bench_lib.processor import processor
from bench_lib.products import Products
from bench_lib.programs import PEERS, PRODUCTS, PROGRAMS, ROUNDED
from bench_lib.streamed import compare, prepared, told
from bench_lib.strings import check_strings, compare_strings
from gpurnn.files.durable import write_durably
from gpurnn.files.errors import explain

_PLOT = Path("runs/bench.png")
_BUSY = 0.5
_MEMORY_CASE = Case("lstm", 64, 128, 512, 100)
_SAMPLING = {"hidden": 512, "symbols": 100, "seconds": 1.0}
_SAMPLING_ROUNDS = 5
_WHOLE_SECONDS = 0.3
_UNWRITTEN = ("check", "memory", "sampling", "series", "whole", "pairs", "ctc", "quality")
"""What `--json` does not go with."""


def main() -> int:
    """Run what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quick", action="store_true", help="one shape for each cell, within three minutes")
    what.add_argument("--check", action="store_true", help="compare losses and gradients of the programs; no timing")
    what.add_argument("--memory", action="store_true", help=f"peak memory of a training process at {_MEMORY_CASE}")
    what.add_argument("--sampling", action="store_true", help="symbols a second, LSTM H=512, one stream")
    what.add_argument("--series", action="store_true", help="targets a second of forecasts, streamed and re-read")
    what.add_argument("--whole", action="store_true", help="what boundaries, both directions and pools cost")
    what.add_argument("--pairs", action="store_true", help="windows of an encoder and a decoder, without attention")
    what.add_argument("--ctc", action="store_true", help="losses and errors of strings without an alignment")
    what.add_argument("--quality", type=Path, metavar="CORPUS", help="loss of an LSTM after --minutes of training")
    parser.add_argument("--minutes", type=float, default=3.0, help="of --quality; %(default)g unless given")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write the results of the timing there, too")
    arguments = parser.parse_args()
    if arguments.json and any(getattr(arguments, n) for n in _UNWRITTEN):
        parser.error("--json goes with the timing only")
    try:
        if arguments.check:
            return _check()
        if arguments.memory:
            return _memory()
        if arguments.sampling:
            return _sampling()
        if arguments.series:
            return _series()
        if arguments.whole:
            return _whole()
        if arguments.pairs:
            return _pairs()
        if arguments.ctc:
            return _ctc()
        if arguments.quality:
            return _quality(arguments.quality.resolve(), arguments.minutes)
        return _timing(cases.quick() if arguments.quick else cases.grid(), arguments)
    except ProgramError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # of a file that is written
        print(f"scripts/bench: {error.filename}: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _start(stack: ExitStack, name: str) -> Process | None:
    """The process of a program, closed with the stack; None, and said, for a peer that cannot be started."""
    try:
        process = Process(name)
    except ProgramError as error:
        if name not in PEERS:
            raise
        print(f"{error}; left out", flush=True)
        return None
    stack.callback(process.close)
    return process


def _start_all(stack: ExitStack, names: Iterable[str]) -> dict[str, Process]:
    """Those of the programs that can be started, by name; says what runs where."""
    started = {}
    print(f"processor: {processor()}")
    for name in names:
        process = _start(stack, name)
        if process:
            started[name] = process
            print(f"{name}: {process.versions}")
    print(f"{THREADS} threads each, float32 where nothing else is said\n", flush=True)
    return started


def _offered() -> list[str]:
    """The programs that are of use on this processor."""
    bf16 = processor().multiplies_bf16
    return [name for name in PROGRAMS if bf16 or name not in ROUNDED]


def _timing(chosen: list[Case], arguments: argparse.Namespace) -> int:
    start = time.monotonic()
    load = os.getloadavg()[0]
    if load > _BUSY:
        print(f"the load average is {load:.1f}: where other programs run, these numbers do not repeat themselves")
    with ExitStack() as stack:
        started = _start_all(stack, [*_offered(), "numpy"])
        processes = {name: process for name, process in started.items() if name in PROGRAMS}
        peers = [name for name in processes if name in PEERS]
        products = Products({name: partial(_rates, started[name]) for name in PRODUCTS if name in started})
        results = []
        for result in measure(processes, chosen, products, 0.4 if arguments.quick else 0.7):
            results.append(result)
            if sys.stderr.isatty():
                print(f"{len(results)} of {len(chosen)} cases are done", file=sys.stderr)
    best = products.gflops[products.best]
    _print([report.products_line(products)])
    _print(report.main_table(results, peers, best))
    _print(report.summary(results, peers))
    _print(report.stage_table(results))
    try:
        report.plot(results, peers, best, _PLOT)
        print(f"plot: {_PLOT}")
    except ImportError as error:
        print(f"no plot: {error}")
    except OSError as error:
        print(f"no plot: {error.filename}: {explain(error)}")
    if arguments.json:
        about = {
            "versions": {name: process.versions for name, process in started.items()},
            "threads": THREADS,
            "processor": processor().to_json(),
        }
        write_durably(arguments.json, [json.dumps(as_json(results, products, about), indent=1).encode(), b"\n"])
        print(f"results: {arguments.json}")
    print(f"{time.monotonic() - start:.0f} s")
    return 0


def _rates(library: Process, size: int, times: int) -> list[float]:
    """GFLOP/s of so many large products."""
    rates: list[float] = library.ask("product", size=size, times=times)["gflops"]
    return rates


def _check() -> int:
    agrees = True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        corpus = Path(folder) / "pairs.h5"
        prepared_pairs(corpus)
        processes = _start_all(stack, _offered())
        if len(processes) == 1:
            raise ProgramError("no peer to compare with")
        packed = chain(check_packed(processes), check_pairs(processes, corpus), check_strings(processes))
        for ok, line in chain(check(processes), packed):
            agrees &= ok
            print(f"{line}{'' if ok else ': NOT THE SAME'}", flush=True)
    return 0 if agrees else 1


def _memory() -> int:
    """Every way in a process of its own, one after the other."""
    peaks: dict[str, list[float]] = {}
    for name, way in [(program, way) for program in _offered() for way in _ways(program)]:
        with ExitStack() as stack:
            process = Process(name)
            stack.callback(process.close)
            found = process.ask("memory", case=asdict(_MEMORY_CASE), way=way)
        peaks.setdefault(name, []).append(found["peak"])
        print(
            f"{f'{name} {way}'.strip():<18} peak {found['peak']:>6.0f} MiB, after the second window "
            f"{found['second_window']:>6.0f}, before the model was made {found['before']:>4.0f}",
            flush=True,
        )
    _compare(peaks, min, lambda mine, theirs: f"the peak of gpurnn is {mine / theirs:.0%} of that of")
    return 0


def _ways(name: str) -> list[str]:
    """The ways of a program, none where it cannot be started."""
    with ExitStack() as stack:
        process = _start(stack, name)
        return process.ways if process else []


def _sampling() -> int:
    """In turn, as windows are timed."""
    rates: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        processes = {name: process for name in ("gpurnn", "pytorch") if (process := _start(stack, name))}
        for _ in range(_SAMPLING_ROUNDS):
            growth = {}
            for name, process in processes.items():
                found = process.ask("sample", **_SAMPLING)
                growth[name] = found["growth"]
                for way, rate in found["symbols_per_second"].items():
                    rates.setdefault(name, {}).setdefault(way, []).append(rate)
    medians = {name: {way: statistics.median(r) for way, r in ways.items()} for name, ways in rates.items()}
    for name, ways in medians.items():
        for way, rate in ways.items():
            print(f"{f'{name} {way}'.strip():<22}{rate:>9.0f} symbols/s")
        print(f"{name}: in the last round peak memory grew by {growth[name]:.1f} MiB")
    best = {name: list(ways.values()) for name, ways in medians.items()}
    _compare(best, max, lambda mine, theirs: f"gpurnn makes {mine / theirs:.2f} times as many symbols a second as")
    return 0


def _series() -> int:
    """Rounds in turn, as windows are timed."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        corpus = Path(folder) / "weather.h5"
        prepared(corpus)
        processes = _start_all(stack, ("gpurnn", "pytorch"))
        if len(processes) == 1:
            raise ProgramError("no peer to compare with")
        for line in told(compare(processes, corpus)):
            print(line)
    return 0


def _whole() -> int:
    """One cell after the other, gpurnn alone."""
    with ExitStack() as stack:
        process = _start_all(stack, ("gpurnn",))["gpurnn"]
        for cell in whole.CELLS:
            times = process.ask("whole", cell=cell, seconds=_WHOLE_SECONDS, rounds=ROUNDS)["seconds"]
            _print(whole.told(cell, times))
    return 0


def _pairs() -> int:
    """One case after the other, rounds in turn."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        corpus = Path(folder) / "pairs.h5"
        prepared_pairs(corpus)
        processes = _start_all(stack, ("gpurnn", "pytorch"))
        if len(processes) == 1:
            raise ProgramError("no peer to compare with")
        for found in compare_pairs(processes, corpus):
            print(found, flush=True)
    return 0


def _ctc() -> int:
    """With one thread and with all, rounds in turn."""
    with ExitStack() as stack:
        processes = _start_all(stack, ("gpurnn", "pytorch"))
        if len(processes) == 1:
            raise ProgramError("no peer to compare with")
        for found in compare_strings(processes):
            print(found, flush=True)
    return 0


def _quality(corpus: Path, minutes: float) -> int:
    """One program after the other."""
    with ExitStack() as stack:
        for process in [p for name in ("gpurnn", "pytorch") if (p := _start(stack, name))]:
            found = process.ask("quality", corpus=str(corpus), minutes=minutes)
            print(
                f"{process.program:<8} {found['windows']:>6} windows in {minutes:g} minutes, then "
                f"{found['nats_per_token']:.4f} nats a token of the valid split",
                flush=True,
            )
    return 0


def _compare(
    found: dict[str, list[float]], best: Callable[[list[float]], float], words: Callable[[float, float], str]
) -> None:
    for name in found:
        if name != "gpurnn":
            print(f"{words(best(found['gpurnn']), best(found[name]))} {name}")


def _print(lines: Any) -> None:
    for line in lines:
        print(line)
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
