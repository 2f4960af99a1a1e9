"""The rows, in the order of what their answers are worth: whoever has a card for ten minutes gets the first ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from bench_lib import cases
from bench_lib.cases import GATES, Case

from gpu_check_lib import model
from gpu_check_lib.model import Gpu
from gpu_check_lib.row import Row
from gpu_check_lib.rows.windows import ROUNDS, SLICE

FIRST = ((16, 50, 128, 100), (32, 64, 256, 100), (64, 128, 512, 100), (64, 64, 1024, 100))
"""B, T, H, K that answer most."""
LARGE = (128, 256, 1024, 100)
LANES = (1, 4, 16, 64, 128, 256)
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")

_TINY = [Case(cell, 2, 4, 8, 20) for cell in GATES]
_TOO_WIDE = Case("lstm", 1, 2, 160, 5)  # for persistent kernels
_KERNELS = "tests/backend/test_persistent_kernels.py"
_KERNEL_TESTS = (_KERNELS, "tests/backend/test_fused_parity.py", "tests/backend/test_model_parity.py")
_GRAPH_TESTS = (
    "tests/backend/test_graphs.py",
    "tests/backend/test_training_graphs.py",
    "tests/training/test_graphs.py",
)
_FEW = ("-k", "one_launch and (5 or 33) or shared_memory")  # of the kernels' tests: the sanitizer is slow
_FEWER = ("-k", "lstm and not float64 and not largest")
_VARIANTS = 6  # of a window: gpurnn with and without TF32, and PyTorch's
_START = 12.0  # seconds in which two programs are started, their kernels compiled and the clock is up
_WARM = 20  # windows of a variant besides the timed ones


def rows(gpu: Gpu) -> list[Row]:
    """All of them. gpu: for the estimates."""
    first = [Case(cell, *shape) for shape, cell in product(FIRST, ("lstm", "simple"))]
    wide = [Case(cell, 4, 12, 32, 20) for cell in GATES]
    return [
        _environment(12),
        *_tests((), 60, 40),
        *_sanitized(_FEW),
        *(_windows(case, gpu) for case in first),
        *_answers([*wide, Case("lstm", 2, 6, 260, 20)], 20, [Case("lstm", *FIRST[0]), Case("lstm", *FIRST[2])]),
        *(_windows(case, gpu) for case in _rest_of_the_grid(first)),
        *_last([*_TINY, *(Case(cell, *FIRST[0]) for cell in GATES), _TOO_WIDE], list(FIRST[0]), 512, 100),
    ]


def smoke(gpu: Gpu) -> list[Row]:
    """Every kind of row, small enough for the emulated device."""
    return [
        _environment(12),
        *_tests(_FEWER, 60, 60),
        *_sanitized(_FEWER),
        *(_windows(case, gpu) for case in (_TINY[1], _TOO_WIDE)),
        *_answers([*_TINY, _TOO_WIDE], 5, [_TINY[1]]),
        *_last([*_TINY, _TOO_WIDE], [2, 4, 8, 20], 8, 20),
    ]


def _row(name: str, asks: str, do: str, estimate: float, /, **arguments: Any) -> Row:
    return Row(name, asks, f"gpu_check_lib.rows.{do}", arguments, estimate)


def _environment(estimate: float) -> Row:
    asks = "which card, driver and libraries, and who else uses it"
    return Row("environment", asks, "gpu_check_lib.rows.environment:measure", estimate=estimate, needs_gpu=False)


def _tests(more: Sequence[str], kernels: float, graphs: float) -> Iterator[Row]:
    for name, asks, files, estimate in (
        ("tests-kernels", "are the kernels right", _KERNEL_TESTS, kernels),
        ("tests-graphs", "do graphs and captures change no bit", _GRAPH_TESTS, graphs),
    ):
        arguments = {"arguments": [*files, *more]}
        yield Row(name, asks, "gpu_check_lib.rows.suite:tests", arguments, estimate, tests=True)


def _sanitized(more: Sequence[str]) -> Iterator[Row]:
    for tool in TOOLS:
        asks, arguments = (
            f"compute-sanitizer's {tool} on tests of kernels",
            {"tool": tool, "arguments": [_KERNELS, *more]},
        )
        yield Row(tool, asks, "gpu_check_lib.rows.suite:sanitized", arguments, 25, tests=True)


def _windows(case: Case, gpu: Gpu) -> Row:
    """gpurnn and PyTorch at one size; PyTorch is taken to be as fast as gpurnn."""
    window = model.window(case, gpu, tf32=False).seconds
    seconds = _START + _VARIANTS * ((ROUNDS + 1) * max(SLICE, 3 * window) + _WARM * window)
    asks = "windows of gpurnn beside PyTorch's, in every precision"
    return _row(_name(case), asks, "windows:compare", round(seconds, 1), case=asdict(case))


def _answers(loss: Sequence[Case], windows: int, parts: Sequence[Case]) -> Iterator[Row]:
    """Is it right, where does the time go, and what settles the model. windows: for the losses."""
    asks = "do all ways learn what the CPU learns"
    yield _row("loss", asks, "losses:against_cpu", 40, cases=_plain(loss), windows=windows)
    for case in parts:
        yield _row(f"parts-{_name(case)}", "where the time of a window goes", "parts:parts", 12, case=asdict(case))
    yield _row("host", "what the host needs for a window", "parts:host", 12)
    yield _row("micro-shared", "how fast a warp reads one address of shared memory", "micro:shared_loads", 8)
    yield _row("micro-l2", "how long a read from the second cache takes", "micro:second_cache", 8)
    yield _row("micro-node", "how far apart two nodes of a graph start", "micro:graph_nodes", 8)
    yield _row("micro-products", "products with few rows, and their nodes", "micro:skinny_products", 10)
    for blocks in (1, 16, 128):
        yield _row(
            f"micro-barrier-{blocks}", f"how long {blocks} blocks take to meet", "micro:barrier", 8, blocks=blocks
        )


def _last(launches: Sequence[Case], first_window: list[int], hidden: int, symbols: int) -> Iterator[Row]:
    asks = "what a window asks of the device, in every way"
    yield _row("launches", asks, "windows:launches", 45, cases=_plain(launches))
    yield _row("first-window", "a new process until its first window", "startup:first_window", 30, sizes=first_window)
    asks = "symbols a second in generating text"
    yield _row("sampling", asks, "sampling:sample", 15, hidden=hidden, symbols=symbols)


def _rest_of_the_grid(first: Sequence[Case]) -> list[Case]:
    """The GRU, what is left of the benchmark's sizes, other numbers of lanes at one size, and a large one."""
    gru = [Case("gru", *shape) for shape in FIRST]
    lanes = [Case("lstm", count, 64, 256, 100) for count in LANES]
    large = [Case(cell, *LARGE) for cell in GATES]
    return list(dict.fromkeys(case for case in [*gru, *cases.grid(), *lanes, *large] if case not in first))


def _name(case: Case) -> str:
    layers = f"-x{case.layers}" if case.layers > 1 else ""
    return f"{case.cell}-{case.lanes}-{case.bptt}-{case.hidden}-{case.symbols}{layers}"


def _plain(sizes: Sequence[Case]) -> list[dict[str, Any]]:
    return [asdict(case) for case in sizes]
