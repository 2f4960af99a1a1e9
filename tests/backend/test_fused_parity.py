"""Every fused operation of the package, found by itself: its CUDA C or compiled body against its NumPy-style body."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import gpurnn
from gpurnn.backend import Backend, FusedOp
from gpurnn.backend.cpu import CpuBackend
from gpurnn.backend.declared import extent
from gpurnn.network.cells import CELLS
from gpurnn.network.heads import HEADS, SOFTMAX_XENT
from gpurnn.training import optimizer
from gpurnn.training.control import CONTROL_SIZE, SETTINGS_SIZE, Control, Outcome, Setting
from tests.strings import put_strings

SIZES = (
    {"B": 1, "C": 1, "H": 1, "K": 1, "L": 1, "N": 1, "P": 1, "Q": 1},
    {"B": 3, "C": 5, "H": 5, "K": 31, "L": 5, "N": 7, "P": 1023, "Q": 3},
    {"B": 7, "C": 9, "H": 67, "K": 300, "L": 140, "N": 301, "P": 4099, "Q": 7},
)
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
LOGS = {"ctc": 1e-12, "ctc_loss": 1e-12}
"""Tolerances of operations that add up logarithms along their steps, hundreds of them."""
SCRATCH = ("parts", "alphas")
"""What only some bodies use."""


def every_operation() -> dict[str, FusedOp]:
    """All operations that the modules of the package have made, wherever they keep them."""
    for module in pkgutil.walk_packages(gpurnn.__path__, "gpurnn."):
        if not module.name.startswith("gpurnn.backend.cuda"):
            importlib.import_module(module.name)
    return {op.name: op for op in gc.get_objects() if isinstance(op, FusedOp)}


OPERATIONS = dict(sorted(every_operation().items()))


USED_UP = {head.loss_op.name for head in HEADS.values()}
"""Operations that leave in `o` what no contract says."""


def dims_of(op: FusedOp, sizes: dict[str, int]) -> dict[str, int]:
    """The dimensions that an operation names."""
    text = "".join("".join((*a.shape, a.below)) for a in op.arguments.values())
    return {letter: size for letter, size in sizes.items() if letter in text}


def settings(rng: np.random.Generator, size: int) -> np.ndarray:
    values = np.zeros(SETTINGS_SIZE)
    values[Setting.CLIP_NORM], values[Setting.CLIP_VALUE] = rng.choice([0.0, 0.5]), rng.choice([0.0, 0.3])
    values[Setting.DECAY], values[Setting.DECOUPLED] = rng.choice([0.0, 0.1]), rng.integers(2)
    values[Setting.BETA1], values[Setting.BETA2], values[Setting.EPSILON] = 0.9, 0.99, 1e-3
    values[Setting.MATRICES], values[Setting.REACH] = size // 2, rng.choice([0.0, 0.2])
    return values


def settle(number: int, of: np.ndarray, ctl: np.ndarray) -> None:
    """One of the 16 ways in which settings decide what an update is; of every second number each setting is there."""
    ways = number ^ number >> 1
    of[Setting.DECAY], of[Setting.DECOUPLED] = 0.1 * (ways & 1), ways >> 1 & 1
    of[Setting.CLIP_VALUE], of[Setting.REACH] = 0.3 * (ways >> 2 & 1), 0.2 * (ways >> 3)
    ctl[Control.OUTCOME] = Outcome.LEARNT


def control(rng: np.random.Generator) -> np.ndarray:
    values = rng.integers(1, 9, CONTROL_SIZE).astype(float)
    values[Control.RATE], values[Control.CLIP_FACTOR] = 0.1, 0.7
    values[Control.OUTCOME] = rng.choice([Outcome.NOT_FINITE, Outcome.LEARNT, Outcome.LEARNT, Outcome.UNWEIGHTED])
    return values


def like(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random reals such as the argument `name` holds: not everything may be negative."""
    values = rng.standard_normal(shape)
    if name in ("bad", "kept"):
        return (values > 0).astype(float)
    if name == "carry":
        return (values > -1).astype(float)
    if name == "z":  # the largest so far often stays
        return np.round(values)
    if name.startswith("last") or (name == "target" and values.size > 1):
        values.reshape(-1)[rng.integers(values.size, size=1 + values.size // 9)] = np.nan
    if name == "q":  # whose products with long rows are scores
        return values / 8
    if name == "there":
        values.reshape(-1)[0] = 1
        return (values > -1).astype(float)
    if name in ("v", "scale", "weight", "total", "levels"):
        return np.abs(values)
    return values


def places(dims: dict[str, int]) -> dict[str, np.ndarray]:
    """Where C sequences lie side by side in B lanes: first and last step of the source, first and last row."""
    lanes, each = dims["B"], -(-dims["C"] // dims["B"])
    rows = []
    for n in range(dims["C"]):
        slot, lane = divmod(n, lanes)
        own = []
        for steps in (dims["Q"], len(range(lane, dims.get("N", lanes * each), lanes))):
            edges = np.linspace(0, steps, each + 1).astype(int)
            own += [edges[slot] * lanes + lane, (edges[slot + 1] - 1) * lanes + lane]
        rows.append(own)
    return dict(zip(("first", "last", "begin", "end"), np.array(rows).T, strict=True))


def arguments_of(op: FusedOp, dims: dict[str, int], dtype: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Random arguments; indices under their bound."""
    made = []
    placed = places(dims) if {"pair", "begin", "there"} & set(op.arguments) else {}
    for name, argument in op.arguments.items():
        shape = tuple(extent(axis, dims) for axis in argument.shape)
        if name == "settings":
            made.append(settings(rng, dims.get("P", 1)))
        elif name == "ctl":
            made.append(control(rng))
        elif name == "tickets":
            made.append(np.zeros(shape, np.int64))
        elif name in placed:
            made.append(placed[name])
        elif argument.kind == "index":
            made.append(rng.integers(0, extent(argument.below, dims), shape))
        else:
            values = like(name, shape, rng)
            if op.name == "simple_relu_backward" and name == "h":
                values = np.maximum(values, 0)
            made.append(values.astype(np.float64 if argument.kind == "double" else dtype))
    if "alphas" in op.arguments:
        named = dict(zip(op.arguments, made, strict=True))
        named["carry"][...] = rng.random(named["carry"].shape) > 2 / dims["N"]
        put_strings(named["target"], named["carry"][:, :, 0], named["weight"], dims["K"] - 1, int(rng.integers(99)))
    return made


class Littered(CpuBackend):
    """NumPy's bodies, whose scratch holds what no body may reckon with: signalling NaN, arithmetic on which warns."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        made = super().empty(shape, dtype)
        if made.dtype.kind == "f":
            bits = {4: np.uint32(0x7FA00001), 8: np.uint64(0x7FF4000000000001)}[made.dtype.itemsize]
            made.view(bits.dtype).fill(bits)
        else:
            made.fill(True if made.dtype.kind == "b" else np.iinfo(made.dtype).max)
        return made


def outcome(be: Backend, op: FusedOp, dims: dict[str, int], dtype: str, host: list[np.ndarray]) -> list[np.ndarray]:
    """All arguments after the operation."""
    run = be.bind(op, dtype, **dims)
    arrays = [be.from_host(x.astype(be.index_dtype) if x.dtype.kind == "i" else x) for x in host]
    run(*arrays)
    return [be.to_host(x) for x in arrays]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes.values())))
@pytest.mark.parametrize("name", OPERATIONS)
def test_both_bodies_agree(be: Backend, strictness: str, name: str, sizes: dict[str, int], dtype: str) -> None:
    agree([be], name, sizes, dtype, every=1 if strictness == "as-is" else 2)


def agree(backends: Sequence[Backend], name: str, sizes: dict[str, int], dtype: str, every: int = 1) -> None:
    """What the operation does on each backend is what its NumPy-style body does; `every` leaves arguments out."""
    op = OPERATIONS[name]
    dims = dims_of(op, sizes)
    for seed in range(0, 20 if "settings" in op.arguments else 4, every):
        host = arguments_of(op, dims, dtype, np.random.default_rng(seed))
        if "settings" in op.arguments and seed < 16:
            settle(seed, *(host[list(op.arguments).index(name)] for name in ("settings", "ctl")))
        expected = outcome(Littered(compiled=False), op, dims, dtype, host)
        for be in backends:
            same(be, op, dims, dtype, host, expected)


def same(
    be: Backend, op: FusedOp, dims: dict[str, int], dtype: str, host: list[np.ndarray], expected: list[np.ndarray]
) -> None:
    found = outcome(be, op, dims, dtype, host)
    again = outcome(be, op, dims, dtype, host)
    changed, tolerance = False, max(TOLERANCE[dtype], LOGS.get(op.name, 0))
    for argument, before, e, f, g in zip(op.arguments, host, expected, found, again, strict=True):
        if op.name in USED_UP and argument == "o":
            continue
        changed |= not np.array_equal(before, e)
        np.testing.assert_array_equal(f, g, err_msg=f"{argument}: a second run differs")
        if argument in SCRATCH:
            continue
        scale = max(1.0, float(np.abs(np.nan_to_num(e)).max()))
        np.testing.assert_allclose(f, e, rtol=0, atol=scale * tolerance, err_msg=argument)
    maybe = op.name in ("lane_check", "adam", "sgd", "rmsprop") or set(dims.values()) == {1}
    assert changed or maybe, "the operation did nothing"


def test_every_cell_head_and_optimizer_is_among_the_operations() -> None:
    tables = [op for cell in CELLS.values() for op in (cell.forward, cell.backward)]
    tables += [op for head in HEADS.values() for op in (head.error_op, head.loss_op)]
    tables += optimizer.OPTIMIZERS.values()
    assert {op.name for op in tables} <= OPERATIONS.keys()


def test_every_operation_of_the_package_has_a_cuda_body() -> None:
    own = [op for op in OPERATIONS.values() if op.body.__module__.startswith("gpurnn.")]
    assert [op.name for op in own if op.source is None] == []


@pytest.mark.parametrize("name", [name for name, op in OPERATIONS.items() if op.source])
def test_the_cuda_source_has_the_operation_with_as_many_parameters(name: str) -> None:
    op = OPERATIONS[name]
    declaration = re.search(rf'extern "C" __global__ void {name}\(([^)]*)\)', op.source.read_text("utf-8"))
    assert declaration, f"{op.source.name} has no {name}"
    parameters = declaration[1].split(",")
    expected = len(op.arguments) + ("N" in dims_of(op, SIZES[0]))
    assert len(parameters) == expected
    for parameter, argument in zip(parameters, op.arguments.values(), strict=False):
        c_type = {"real": "REAL", "double": "double", "index": "int"}[argument.kind]
        assert re.search(rf"\b{c_type}\s*\*", parameter), f"{parameter}: expected a pointer to {c_type}"


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_a_call_may_have_fewer_rows_than_it_was_bound_for(be: Backend, rows: int) -> None:
    dims = {"N": 9, "K": 40}
    host = arguments_of(SOFTMAX_XENT, dims, "float64", np.random.default_rng(0))
    expected = outcome(CpuBackend(compiled=False), SOFTMAX_XENT, dims, "float64", host)
    arrays = [be.from_host(x.astype(be.index_dtype) if x.dtype.kind == "i" else x) for x in host]
    o, target, weight, scale, nats = arrays
    be.bind(SOFTMAX_XENT, "float64", **dims)(o[:rows], target[:rows], weight[:rows], scale, nats[:rows])
    for array, before, after in zip((o, nats), (host[0], host[4]), (expected[0], expected[4]), strict=True):
        np.testing.assert_allclose(be.to_host(array)[:rows], after[:rows], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(be.to_host(array)[rows:], before[rows:])


@pytest.mark.parametrize("name", [name for name, op in OPERATIONS.items() if name.endswith(("_forward", "_backward"))])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible(be: Backend, name: str, poison: float) -> None:
    op, dims = OPERATIONS[name], {"B": 2, "H": 3}
    host = arguments_of(op, dims, "float64", np.random.default_rng(0))
    host[0].reshape(-1)[0] = poison
    with np.errstate(invalid="ignore"):
        expected = outcome(CpuBackend(compiled=False), op, dims, "float64", host)
        found = outcome(be, op, dims, "float64", host)
    for argument, e, f in zip(op.arguments, expected, found, strict=True):
        np.testing.assert_array_equal(np.isfinite(f), np.isfinite(e), err_msg=argument)


def test_a_cuda_kernel_takes_only_what_it_was_bound_for(cuda: Backend) -> None:
    run = cuda.bind(CELLS["simple"].forward, "float32", B=2, H=3)
    a, r, b, h = (cuda.zeros(shape, "float32") for shape in ((2, 3), (2, 3), (3,), (2, 3)))
    run(a, r, b, h)
    strided = cuda.zeros((2, 4), "float32")[:, 1:]
    with pytest.raises(ValueError, match=r"simple_forward: r: expected a contiguous array, found strides \(16, 4\)"):
        run(a, strided, b, h)
    with pytest.raises(ValueError, match=r"simple_forward: a: expected \(2, 3\) float32, found \(3, 2\) float32"):
        run(cuda.zeros((3, 2), "float32"), r, b, h)
    with pytest.raises(TypeError, match=r"simple_forward: h: .* found \(2, 3\) float64"):
        run(a, r, b, h.astype("float64"))


def test_an_operation_without_a_cuda_body_runs_its_numpy_style_body(be: Backend) -> None:
    original = CELLS["lstm"].forward
    op = FusedOp("plain", original.arguments, original.body, original.scratch)
    host = arguments_of(op, {"B": 2, "H": 3}, "float64", np.random.default_rng(0))
    expected = outcome(CpuBackend(compiled=False), op, {"B": 2, "H": 3}, "float64", host)
    for e, f in zip(expected, outcome(be, op, {"B": 2, "H": 3}, "float64", host), strict=True):
        np.testing.assert_allclose(f, e, rtol=0, atol=1e-14)
