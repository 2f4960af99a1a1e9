"""How long a training window should take on a GPU, from a model of its parts: what measurements are held against.

Every constant below is an assumption with its source. Latencies after Luo et al. 2024 (arXiv:2402.13499), clocks, cores
and bandwidths after NVIDIA's data sheets; gaps between the nodes of a graph, floors and rates of products are guesses.
Instructions of a step are counted in what the compiler made of the persistent kernels for sm_90.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench_lib.cases import Case

REGISTERS = 65536  # of a multiprocessor, on every device below
WORKING_REGISTERS = 44  # of a thread, for all but its weights
UNIFORM_LOAD = 2.0  # cycles of the shared-memory pipe for 16 bytes that a whole warp reads; 1 to 4
NODES = 24  # launches of a window besides its steps
UNCERTAINTY = {"whole window": 0.35, "loop": 0.45}  # of the time, either way
ADAM_BYTES = 36  # read and written for each parameter by clipping and the update


@dataclass(frozen=True)
class Gpu:
    """name: how the driver's name for it begins. latencies: in cycles; node_gap, product_floor: in microseconds.

    float32_tflops, tf32_tflops: of a large product; memory_tbs: TB/s.
    """

    name: str
    multiprocessors: int
    ghz: float
    float32_per_clock: int
    l2_cycles: int
    l1_cycles: int
    node_gap: float
    product_floor: float
    float32_tflops: float
    tf32_tflops: float
    memory_tbs: float
    shared_kib: int


GPUS = {
    "H100": Gpu("NVIDIA H100", 132, 1.755, 128, 263, 41, 1.1, 3.0, 42, 250, 3.0, 227),
    "A100": Gpu("NVIDIA A100", 108, 1.41, 64, 230, 38, 1.3, 3.5, 15.5, 95, 1.6, 163),
    "RTX 4090": Gpu("NVIDIA GeForce RTX 4090", 128, 2.5, 128, 273, 43, 1.1, 2.8, 50, 60, 0.9, 99),
    "T4": Gpu("Tesla T4", 40, 1.2, 64, 220, 32, 2.0, 5.0, 4.5, 4.5, 0.27, 64),
}


@dataclass(frozen=True)
class CellCost:
    """Instructions of a step besides products, and cycles of latency that nothing hides, forward and backward.

    tail: from the product to the state. trips: to the second cache, and to the first.
    """

    issue: tuple[int, int]
    tail: tuple[int, int]
    l2_trips: tuple[int, int]
    l1_trips: tuple[int, int]


CELLS = {
    "simple": CellCost((45, 30), (100, 70), (1, 1), (0, 0)),
    "lstm": CellCost((110, 80), (260, 170), (1, 3), (1, 1)),
    "gru": CellCost((85, 75), (300, 170), (1, 1), (0, 2)),
}


@dataclass(frozen=True)
class Estimate:
    """Seconds of a window. path: "whole window" or "loop"; recurrent: of its steps alone."""

    path: str
    recurrent: float
    seconds: float

    @property
    def low(self) -> float:
        """The least that the uncertainty of the model allows."""
        return self.seconds * (1 - UNCERTAINTY[self.path])

    @property
    def high(self) -> float:
        """The most."""
        return self.seconds * (1 + UNCERTAINTY[self.path])


def gpu_named(name: str) -> Gpu | None:
    """The device of the model that the driver calls so; None where the model knows nothing of it."""
    return next((gpu for gpu in GPUS.values() if name.startswith(gpu.name)), None)


def window(case: Case, gpu: Gpu, *, tf32: bool) -> Estimate:
    """One training window of one or more layers, as a graph."""
    steps = _persistent_step(case, gpu)
    waves = -(-case.lanes // gpu.multiprocessors)
    path = "loop" if steps is None else "whole window"
    step = _loop_step(case, gpu, tf32) if steps is None else steps * waves
    recurrent = case.layers * case.bptt * step
    return Estimate(path, 1e-6 * recurrent, 1e-6 * (recurrent + _rest(case, gpu, tf32)))


def _persistent_step(case: Case, gpu: Gpu) -> float | None:
    """Microseconds of a step, forward and backward, in a persistent kernel; None where it does not fit."""
    threads, padded = case.columns, -(-case.hidden // 4) * 4
    if threads > 1024:
        return None
    warps = -(-threads // 32)
    per_part = -(-warps // 4)  # warps and registers are spread over four parts of a multiprocessor
    each = min(REGISTERS // 4 // (per_part * 32) // 8 * 8, 255) - WORKING_REGISTERS
    held = min(padded, each // 4 * 4)
    shared = 4 * ((padded - held) * threads + max(case.gates, 2) * padded + threads)
    if held < 4 or shared > gpu.shared_kib * 1024:
        return None
    cost, pipe = CELLS[case.cell], warps * (padded / 4 * UNIFORM_LOAD + (padded - held))
    cycles = 0.0
    for direction in (0, 1):
        products = padded * 128 / gpu.float32_per_clock + padded / 4 + (padded - held)
        cycles += max(pipe, per_part * (products + cost.issue[direction])) + cost.tail[direction]
        cycles += cost.l2_trips[direction] * gpu.l2_cycles + cost.l1_trips[direction] * gpu.l1_cycles
    return cycles / gpu.ghz / 1e3


def _loop_step(case: Case, gpu: Gpu, tf32: bool) -> float:
    """Microseconds of a step, forward and backward: a product and a pointwise kernel each, as nodes of a graph."""
    lanes, hidden, columns = case.lanes, case.hidden, case.columns
    pointwise = 1.6 + lanes * columns * 4 * 3 / (gpu.memory_tbs * 2e6)
    forward = product(lanes, hidden, columns, gpu, tf32) + pointwise + 2 * gpu.node_gap
    return forward + product(lanes, columns, hidden, gpu, tf32) * 1.1 + pointwise + 2 * gpu.node_gap


def _rest(case: Case, gpu: Gpu, tf32: bool) -> float:
    """Microseconds of a window besides its steps."""
    rows, hidden, columns, symbols, bandwidth = case.tokens, case.hidden, case.columns, case.symbols, gpu.memory_tbs
    products = product(rows, hidden, symbols, gpu, tf32) + product(hidden, rows, symbols, gpu, tf32)
    products += product(rows, symbols, hidden, gpu, tf32)
    products += case.layers * product(hidden, rows, columns, gpu, tf32)
    products += (case.layers - 1) * 3 * product(rows, hidden, columns, gpu, tf32)
    gather = 2 * (gpu.product_floor + rows * columns * 4 / (bandwidth * 1e6) * 0.7)
    parameters = case.layers * hidden * columns + symbols * columns + hidden * symbols
    cached = 1.5 if parameters * ADAM_BYTES < 40e6 else 1.0
    update = 1.4 * gpu.product_floor + parameters * (ADAM_BYTES / cached + 4) / (bandwidth * 1e6)
    pointwise = (rows * columns * 12 + rows * symbols * 16) / (bandwidth * 1.3e6)
    return products + gather + update + pointwise + NODES * gpu.node_gap + 12


def product(m: int, k: int, n: int, gpu: Gpu, tf32: bool) -> float:
    """Microseconds of a product of (m, k) with (k, n)."""
    operations, moved = 2 * m * k * n, 4 * (m * k + k * n + m * n)
    peak = gpu.tf32_tflops if tf32 else gpu.float32_tflops
    used = 0.2 + 0.33 * min(1, operations / 4e8) if m <= 256 else 0.75
    rate = gpu.memory_tbs * (1.6e6 if moved < 30e6 else 1e6)
    return gpu.product_floor + max(operations / (peak * used * 1e6), moved / rate)
