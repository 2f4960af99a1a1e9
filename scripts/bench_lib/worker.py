"""One program in a process of its own: reads requests, answers each with a line of JSON.

Started by `bench_lib.process`, as `python -m bench_lib.worker PROGRAM`.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from bench_lib import programs
from bench_lib.cases import LOG_EVERY, Case
from bench_lib.packed import Packed
from bench_lib.pairs import PairCase
from bench_lib.products import square_product
from bench_lib.programs import Program
from bench_lib.strings import Strings

_RACE_SECONDS = 0.3
_MEMORY_WINDOWS = 20


class Worker:
    """A method for each request; its keyword arguments are the request's fields, its result the reply."""

    def __init__(self, name: str) -> None:
        self._module: ModuleType = programs.load(name)
        self._program: Program | None = None
        self._windows = 0
        self._series: Any = None

    def hello(self) -> dict[str, Any]:
        """What runs here."""
        return {"versions": self._module.versions(), "ways": list(self._module.WAYS)}

    def prepare(self, case: dict[str, Any]) -> dict[str, Any]:
        """Make the case ready in the fastest of the ways; seconds: about what a window takes."""
        return self._fastest((way, self._module.Program(Case(**case), way)) for way in self._module.WAYS)

    def _fastest(self, programs: Iterable[tuple[str, Program]]) -> dict[str, Any]:
        """Make the fastest of some programs ready, which come with their ways; seconds: about what a window takes."""
        self._program, self._windows = None, 0
        best, chosen = float("inf"), ""
        for way, program in programs:
            seconds = self._seconds(program)
            if seconds < best:
                self._program, best, chosen = program, seconds, way
        return {"way": chosen, "seconds": best}

    def _seconds(self, program: Program) -> float:
        """A window's seconds: the median of a few, after the first two."""
        times: list[float] = []
        while len(times) < 5 or sum(times) < _RACE_SECONDS:
            start = time.perf_counter()
            program.window()
            program.finish()
            times.append(time.perf_counter() - start)
            if sum(times) > 10 * _RACE_SECONDS and len(times) >= 4:
                break
        return statistics.median(times[2:])

    def run(self, windows: int, warm: int) -> dict[str, Any]:
        """Train so many windows; the loss is read as often as training reads it."""
        program = self._program
        assert program is not None, "run comes after prepare"
        for _ in range(warm):
            program.window()
        program.finish()
        start = time.perf_counter()
        for _ in range(windows):
            program.window()
            self._windows += 1
            if self._windows % LOG_EVERY == 0:
                program.read_loss()
        program.finish()
        return {"seconds": time.perf_counter() - start}

    def trace(self, case: dict[str, Any], way: str, windows: int) -> dict[str, Any]:
        """Gradients of the first window, then the loss of each window of a short training."""
        return _trace(self._module.Program(Case(**case), way), windows)

    def memory(self, case: dict[str, Any], way: str) -> dict[str, Any]:
        """MiB resident at most: in all, after the second window, and before the model was made."""
        before = _peak_mib()
        program = self._module.Program(Case(**case), way)
        second = 0.0
        for number in range(_MEMORY_WINDOWS):
            program.window()
            program.finish()
            if number == 1:
                second = _peak_mib()
        return {"before": before, "second_window": second, "peak": _peak_mib()}

    def product(self, size: int, times: int) -> dict[str, Any]:
        """GFLOP/s of float32 products of square matrices."""
        return {"gflops": square_product(self._module.product, size, times)}

    def stages(self, case: dict[str, Any]) -> dict[str, Any]:
        """Seconds of a window by stage."""
        from bench_lib.stages import measure

        return {"stages": measure(Case(**case))}

    def sample(self, hidden: int, symbols: int, seconds: float) -> dict[str, Any]:
        """Symbols a second in each way of sampling, and MiB that the resident memory grew by."""
        from bench_lib.sampling import sample

        return sample(self._module.__name__.rpartition(".")[2], hidden, symbols, seconds)

    def quality(self, corpus: str, minutes: float) -> dict[str, Any]:
        """Windows that were trained in so many minutes, and the loss then."""
        from bench_lib.quality import quality

        return quality(self._module.__name__.rpartition(".")[2], corpus, minutes)

    def packed(self, case: dict[str, Any]) -> dict[str, Any]:
        """Gradients and loss of whole sequences."""
        found: dict[str, Any] = self._beside("packed_ours", "torch_packed").trace(Packed(**case))
        return found

    def pairs(self, case: dict[str, Any], corpus: str) -> dict[str, Any]:
        """Make pairs ready in the fastest of the ways; seconds: about what a window takes."""
        return self._fastest(self._of_pairs(case, corpus))

    def pairs_trace(self, case: dict[str, Any], corpus: str, windows: int) -> dict[str, Any]:
        """As `trace`, in each of the ways, by name."""
        return {way: _trace(program, windows) for way, program in self._of_pairs(case, corpus)}

    def _of_pairs(self, case: dict[str, Any], corpus: str) -> Iterator[tuple[str, Program]]:
        module = self._beside("pairs_ours", "torch_pairs")
        for way in module.WAYS:
            yield way, module.Program(PairCase(**case), Path(corpus), way)

    def strings(self, case: dict[str, Any]) -> dict[str, Any]:
        """Make strings without an alignment ready; seconds: about what their losses and errors take."""
        return self._fastest([("", self._of_strings(case))])

    def strings_trace(self, case: dict[str, Any]) -> dict[str, Any]:
        """Errors and losses of the strings."""
        found = self._of_strings(case).gradients()
        return {"gradients": {name: value.tolist() for name, value in found.items()}, "losses": []}

    def _of_strings(self, case: dict[str, Any]) -> Any:
        return self._beside("strings_ours", "torch_strings").Program(Strings(**case))

    def whole(self, cell: str, seconds: float, rounds: int) -> dict[str, Any]:
        """Seconds of a window of whole sequences, by variant."""
        from bench_lib.whole import measure

        return {"seconds": measure(cell, seconds, rounds)}

    def series(self, corpus: str) -> dict[str, Any]:
        """Make the forecasts of a corpus of series ready; the outputs of its first windows, before any training."""
        self._series = self._beside("series", "torch_series").Program(Path(corpus))
        return {"outputs": self._series.outputs()}

    def _beside(self, ours: str, torch: str) -> ModuleType:
        """The module of this program's own library."""
        own = self._module.__name__.rpartition(".")[2] == "ours"
        return importlib.import_module(f"bench_lib.{ours if own else torch}")

    def series_run(self, seconds: float) -> dict[str, Any]:
        """Train for about so long; how many targets counted."""
        assert self._series is not None, "series_run comes after series"
        targets, spent = self._series.run(seconds)
        return {"targets": targets, "seconds": spent}


def _trace(program: Program, windows: int) -> dict[str, Any]:
    gradients = {name: value.tolist() for name, value in program.gradients().items()}
    losses = []
    for _ in range(windows):
        program.window()
        losses.append(program.read_loss())
    return {"gradients": gradients, "losses": losses}


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def serve(make: Callable[[], Any]) -> None:
    """Answer requests by the methods of what `make` gives, `hello` first, until the input ends.

    What libraries print goes to standard error.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=replies, flush=True)

    try:
        worker = make()
    except ImportError as error:
        reply({"error": f"cannot be imported: {error}"})
        return
    reply(worker.hello())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply(getattr(worker, request.pop("do"))(**request))
        except Exception as error:  # whatever a program raises is said by the benchmark, with its name
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    serve(lambda: Worker(sys.argv[1]))
