"""Compiled functions on arm64, cross-compiled and run by qemu: what this processor's fusing sets compute, to the bit.

Without Python there: arm64/driver.c runs them on the arrays that are sent to it. Functions of libm may differ in their
last places, since libraries do.
"""

from __future__ import annotations

import re
import runpy
import shutil
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import test_fused_parity as fused
from backend.test_bound_loop import CARRY, B, H, T, arrays_of
from threadpoolctl import threadpool_limits

from gpurnn.backend import Backend, StepProduct
from gpurnn.backend.cpu import CpuBackend, instructions
from gpurnn.network.cells import CELLS

PREFIX = "aarch64-linux-gnu-"
ROOT = Path(__file__).parents[2]
HEADER = struct.Struct("32s32s" + "q" * (2 + 10 + 16 + 16))
SETUP = runpy.run_path(str(ROOT / "setup.py"))
ONCE = [ROOT / each for each in SETUP["ONCE"] if '#include "python.h"' not in (ROOT / each).read_text()]
OF_EACH_SET = [ROOT / each for each in SETUP["OF_EACH_SET"]]
BODIES = sorted(re.findall(r'\{"(\w+)",', (ROOT / "gpurnn" / "operations.c").read_text()))
LIBM = {
    "float32": {"softmax_xent", "xent", "adam"},
    "float64": {"softmax_xent", "xent", "adam", "simple_forward", "lstm_forward", "gru_forward"},
}
"""Bodies that call a function of libm, in double precision everywhere."""
NEAR = {"float32": 1.2e-7, "float64": 1e-14}
FUSING = [each.name for each in instructions() if each.fuses]
NEEDED = [f"{PREFIX}gcc", f"{PREFIX}objdump", "qemu-aarch64"]
MISSING = [each for each in NEEDED if shutil.which(each) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(not FUSING, reason="needs compiled operations that fuse, to compare with"),
]


@dataclass
class Request:
    """What the driver is asked for; see its C text."""

    function: str
    arrays: list[np.ndarray]
    numbers: list[int]
    body: str = ""
    dtype: str = "float64"

    def packed(self) -> bytes:
        def filled(values: list[int], length: int) -> list[int]:
            return values + [0] * (length - len(values))

        sizes, axes = ([getattr(each, of) for each in self.arrays] for of in ("nbytes", "ndim"))
        numbers = [np.dtype(self.dtype).itemsize, len(self.arrays), *filled(self.numbers, 10), *filled(sizes, 16)]
        head = HEADER.pack(self.function.encode(), self.body.encode(), *numbers, *filled(axes, 16))
        return head + b"".join(each.tobytes() for each in self.arrays)


Driver = Callable[[list[Request]], list[list[np.ndarray]]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the object files and the driver."""
    folder = tmp_path_factory.mktemp("arm64")
    include = [f"-I{ROOT / each}" for each in SETUP["FOLDERS"]]

    def gcc(*options: str | Path) -> None:
        done = subprocess.run([f"{PREFIX}gcc", *options], capture_output=True, text=True, check=False, timeout=250)
        assert done.returncode == 0, done.stderr

    def compiled(source: Path, real: str) -> Path:
        to = folder / f"{source.stem}{real}.o"
        of_set = ["-DSET=base", f"-DREAL={real}"] if real else []
        gcc(*SETUP["FLAGS"], *of_set, *include, "-c", source, "-o", to)
        return to

    once = [*ONCE, Path(__file__).with_name("arm64") / "driver.c"]
    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(compiled, once, [""] * len(once)))
        for real in SETUP["REALS"]:
            objects += pool.map(compiled, OF_EACH_SET, [real] * len(OF_EACH_SET))
    gcc("-pthread", *objects, "-o", folder / "driver", "-lm")
    return folder


@pytest.fixture(scope="module")
def driver(built: Path) -> Driver:
    def ask(requests: list[Request]) -> list[list[np.ndarray]]:
        done = subprocess.run(
            ["qemu-aarch64", "-L", f"/usr/{PREFIX.rstrip('-')}", built / "driver"],
            input=b"".join(each.packed() for each in requests),
            capture_output=True,
            check=False,
            timeout=250,
        )
        assert (done.returncode, done.stderr.decode().splitlines()[-1:]) == (0, ["arm64"]), done.stderr.decode()
        assert len(done.stdout) == sum(array.nbytes for each in requests for array in each.arrays)
        answers, place = [], 0
        for each in requests:
            answers.append([])
            for array in each.arrays:
                found = np.frombuffer(done.stdout, array.dtype, array.size, place)
                answers[-1].append(found.reshape(array.shape))
                place += array.nbytes
        return answers

    return ask


@pytest.fixture
def here() -> CpuBackend:
    with threadpool_limits(1, "blas"):
        return CpuBackend(instructions=FUSING[0])


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """All bits but those of NaN, whose sign processors choose."""
    if one.dtype.kind != "f":
        return np.array_equal(one, other)
    bits, both = f"i{one.dtype.itemsize}", np.isnan(one) & np.isnan(other)
    return bool(np.all((np.ascontiguousarray(one).view(bits) == np.ascontiguousarray(other).view(bits)) | both))


def near(found: np.ndarray, expected: np.ndarray, dtype: str) -> bool:
    scale = max(1.0, float(np.abs(np.nan_to_num(expected)).max(initial=0)))
    return np.allclose(found, expected, rtol=NEAR[dtype], atol=NEAR[dtype] * scale, equal_nan=True)


def strides(array: np.ndarray) -> list[int]:
    return [each // array.itemsize for each in array.strides]


def in_memory(array: np.ndarray) -> np.ndarray:
    """The array or its transpose: what stands in memory without gaps, in C order."""
    return array if array.flags.c_contiguous else array.T


@pytest.mark.parametrize("dtype", NEAR)
def test_products(driver: Driver, here: Backend, dtype: str) -> None:
    rng, requests, expected = np.random.default_rng(0), [], []
    for rows in (*range(1, 9), 13, 97):
        for depth, columns in ((1, 1), (5, 31), (257, 33), (40, 64), (300, 130), (8, 1030)):
            a, b = rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
            for left in (a, np.asfortranarray(a)):
                for right in (b, np.asfortranarray(b)):
                    add, few = len(requests) // 4 % 2, rows < 4 and right is b
                    out = rng.standard_normal((rows, columns)).astype(dtype)
                    layout = [*strides(left), *strides(right), columns, add, int(few)]
                    arrays = [in_memory(left), in_memory(right), out.copy()]
                    requests.append(Request("run_gemm", arrays, [rows, depth, columns, *layout], dtype=dtype))
                    here.gemm(left, right, out, accumulate=bool(add))
                    expected.append(out)
    for request, found, exact in zip(requests, driver(requests), expected, strict=True):
        assert same_bits(found[2], exact), request.numbers


@pytest.mark.parametrize("dtype", NEAR)
def test_products_with_a_packed_matrix(driver: Driver, here: Backend, dtype: str) -> None:
    rng, requests, expected = np.random.default_rng(1), [], []
    for rows, columns in ((1, 1), (31, 5), (257, 70), (40, 64), (600, 131)):
        w = rng.standard_normal((rows, columns)).astype(dtype)
        for lanes in (*range(1, 8), 12, 13):
            x, y = rng.standard_normal((lanes, rows)).astype(dtype), np.full((lanes, columns), np.nan, dtype)
            for matrix in (w, np.asfortranarray(w)):
                arrays = [x, in_memory(matrix), y]
                requests.append(Request("times_packed", arrays, [lanes, rows, columns, *strides(matrix)], dtype=dtype))
                expected.append(np.empty_like(y))
                here.gemm(x, np.asfortranarray(w), expected[-1])
        for backwards in (0, 1):
            x, y = rng.standard_normal((1, rows)).astype(dtype), np.full((1, columns), np.nan, dtype)
            requests.append(Request("row_product", [x, w, y], [rows, columns, backwards], dtype=dtype))
            expected.append(np.empty_like(y))
            here.bind_row(w)(x, expected[-1])
    for request, found, exact in zip(requests, driver(requests), expected, strict=True):
        assert same_bits(found[2], exact), (request.function, request.numbers)


@pytest.mark.parametrize("dtype", NEAR)
def test_sums_of_rows_and_dropout_masks(driver: Driver, here: CpuBackend, dtype: str) -> None:
    rng, n, rows, width = np.random.default_rng(2), 50, 7, 33
    source, row = rng.standard_normal((n, width)).astype(dtype), rng.integers(0, rows, n)
    to, mask, window = np.zeros((rows, width), dtype), np.empty(1003, dtype), np.array([3])
    chance = np.array([0.3, 1 / 0.7])
    sums, masked = driver(
        [
            Request("add_rows", [source, row, to], [n, width], dtype=dtype),
            Request("dropout_mask", [mask, chance], [mask.size, 3, 5, 1], dtype=dtype),
        ]
    )
    assert here._native.add_rows(source, row, to, 1, here._set)
    here.dropout_mask(5, 1, 0.3)(mask, window)
    assert same_bits(sums[2], to)
    assert same_bits(masked[0], mask)


def test_every_body_is_one_of_the_operations() -> None:
    assert set(BODIES) <= fused.OPERATIONS.keys()
    assert LIBM["float64"] < set(BODIES)


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("name", BODIES)
def test_every_body(driver: Driver, here: Backend, name: str, dtype: str) -> None:
    op, requests, expected = fused.OPERATIONS[name], [], []
    for sizes in fused.SIZES:
        dims = fused.dims_of(op, sizes)
        for seed in range(16 if "settings" in op.arguments else 2):  # enough to meet what settings decide
            host = fused.arguments_of(op, dims, dtype, np.random.default_rng(seed))
            requests.append(Request("", host, [dims.get(letter, 0) for letter in "BHKNP"], name, dtype))
            expected.append(fused.outcome(here, op, dims, dtype, host))
    for found, exact in zip(driver(requests), expected, strict=True):
        for argument, one, other in zip(op.arguments, found, exact, strict=True):
            same = near(one, other, dtype) if name in LIBM[dtype] else same_bits(one, other)
            assert same, argument


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("cell", ["simple", "simple-relu", "lstm", "gru"])
def test_the_loop_over_steps(driver: Driver, here: CpuBackend, cell: str, backward: bool, dtype: str) -> None:
    op = CELLS[cell].backward if backward else CELLS[cell].forward
    before = {"lstm": ["c_prev"], "gru": ["h_prev"]}.get(cell, [])
    errors = {"lstm": ["e_c"], "gru": ["e_h"]}.get(cell, []) if backward else []
    drawn = arrays_of(cell)
    of_dtype = {id(array): array.astype(dtype) for array in drawn.values()}  # one array may have two names
    arrays = {name: of_dtype[id(array)] for name, array in drawn.items()}
    carry, ends = CARRY.astype(dtype), ("da_rec", "dh_rec") if backward else ("h_prev", "r")
    sent = [arrays["W"], carry, *(arrays[name] for name in op.arguments)]
    places = []
    for name in ends:
        if not any(each is arrays[name] for each in sent):
            sent.append(arrays[name])
        places.append(next(place for place, each in enumerate(sent) if each is arrays[name]))
    masks = [sum(1 << i for i, name in enumerate(op.arguments) if name in chosen) for chosen in (before, errors)]
    numbers = [T, B, H, arrays["W"].shape[1], int(backward), len(op.arguments), *masks, *places]
    request = Request("run_loop", [each.copy() for each in sent], numbers, op.name, dtype)
    product = StepProduct(ends[0], "W", ends[1])
    loop = here.bind_loop(op, dtype, arrays, product, backward=backward, masked=before, cleared=errors)
    assert loop is not None
    loop(T, carry)
    (found,) = driver([request])
    for one, other in zip(found, sent, strict=True):
        assert near(one, other, dtype) if op.name in LIBM[dtype] else same_bits(one, other)


def test_tiles_are_made_of_vectors(built: Path) -> None:
    """Each of rows x panels x 2 sums has a multiplication of its own in the loop over the depth, of whole vectors."""
    done = subprocess.run(
        [f"{PREFIX}objdump", "-d", "--no-show-raw-insn", built / "tilesfloat.o", built / "tilesdouble.o"],
        capture_output=True,
        text=True,
        check=True,
    )
    functions = re.split(r"^[0-9a-f]+ <(\w+)[^>]*>:$", done.stdout, flags=re.MULTILINE)[1:]
    text = dict(zip(functions[::2], functions[1::2], strict=True))
    tiles = {name: text[name] for name in text if name.startswith("tile_")}
    assert len(tiles) == 2 * 15
    for name, code in tiles.items():
        panels, rows = map(int, name.split("_")[1:3])
        lanes = "4s" if "float" in name else "2d"
        assert len(re.findall(rf"\tfmla\tv\d+\.{lanes}, ", code)) >= 2 * panels * rows, name
        assert not re.search(r"\t(fmadd|fmul|fmsub)\t", code), name
