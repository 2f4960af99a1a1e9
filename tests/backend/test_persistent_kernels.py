"""Persistent kernels against the loop over steps, on the same backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import outside_cell
import pytest

from gpurnn.backend import Backend
from gpurnn.network.cells import CELLS
from gpurnn.network.layers.recurrence import Recurrence

TOLERANCE = 3e-6
LARGEST = {"simple": 308, "simple-relu": 308, "lstm": 148, "gru": 170}
"""Of the made-up device, which has the registers and the shared memory of an sm_90."""
KIB = {75: 64, 80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}  # shared memory of a block, by sm
REGISTERS = {1: 255, 128: 255, 256: 255, 257: 168, 288: 168, 384: 168, 385: 128, 512: 128, 513: 96, 544: 96, 640: 96}
REGISTERS |= {641: 80, 768: 80, 769: 72, 896: 72, 897: 64, 1024: 64}  # of a thread, by threads of a block
HELD = (  # cell, H, weights of a thread in registers, bytes of shared memory; computed by hand
    ("simple", 128, 128, 4 * (2 * 128 + 128)),
    ("simple", 256, 208, 4 * (48 * 256 + 2 * 256 + 256)),
    ("simple", 257, 124, 4 * (136 * 257 + 2 * 260 + 257)),
    ("simple", 288, 124, 4 * (164 * 288 + 2 * 288 + 288)),
    ("simple", 308, 124, 4 * (184 * 308 + 2 * 308 + 308)),
    ("simple", 320, 124, 4 * (196 * 320 + 2 * 320 + 320)),
    ("lstm", 64, 64, 4 * (4 * 64 + 256)),
    ("lstm", 96, 96, 4 * (4 * 96 + 384)),
    ("lstm", 128, 84, 4 * (44 * 512 + 4 * 128 + 512)),
    ("lstm", 136, 52, 4 * (84 * 544 + 4 * 136 + 544)),
    ("lstm", 148, 52, 4 * (96 * 592 + 4 * 148 + 592)),
    ("lstm", 256, 20, 4 * (236 * 1024 + 4 * 256 + 1024)),
    ("gru", 128, 124, 4 * (4 * 384 + 3 * 128 + 384)),
    ("gru", 136, 84, 4 * (52 * 408 + 3 * 136 + 408)),
    ("gru", 170, 84, 4 * (88 * 510 + 3 * 172 + 510)),
    ("gru", 171, 52, 4 * (120 * 513 + 3 * 172 + 513)),
)


class Layer:
    """A recurrent layer with random parameters and inputs."""

    def __init__(self, be: Backend, cell: str, shape: tuple[int, int, int]) -> None:
        self.be, self.cell = be, CELLS[cell]
        self.steps, lanes, hidden = shape
        self.rng = np.random.default_rng(0)
        columns = self.cell.gates * hidden
        shapes = {"W": (hidden, columns), "b": (columns,), **dict.fromkeys(self.cell.biases, (hidden,))}
        parameters = {name: self.random(shape, 1 / np.sqrt(hidden)) for name, shape in shapes.items()}
        self.dh = be.empty(shape, "float32")
        self.layer = Recurrence(be, self.cell, parameters, shape, "float32", self.dh)
        self.gradient = {name: be.zeros(shape, "float32") for name, shape in shapes.items()}
        self.ones = be.from_host(np.ones((1, self.steps * lanes), np.float32))

    def random(self, shape: tuple[int, ...], scale: float = 1.0):
        return self.be.from_host((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def run(self, steps: int, carry: np.ndarray | None) -> dict[str, np.ndarray]:
        """All that the layer computes for a window whose carry this is; None: without a boundary."""
        layer, lanes = self.layer, self.dh.shape[1]
        layer.xU[...] = self.random(layer.xU.shape)
        self.dh[...] = self.random(self.dh.shape)
        for state in layer.states.values():
            state[0] = self.random(state[0].shape)
        boundary = None if carry is None else (carry.min(axis=(1, 2)) == 0).tolist()
        device_carry = self.be.from_host(np.zeros((self.steps, lanes, 1), np.float32) if carry is None else carry)
        results = {}
        layer.forward(steps, device_carry, boundary)
        results["gates"] = layer.gates[:steps]
        results |= {name: state[: steps + 1] for name, state in layer.states.items()}
        results = {name: self.be.to_host(array) for name, array in results.items()}
        d_last = {name: self.random(state[0].shape) for name, state in layer.states.items()}
        layer.backward(steps, device_carry, boundary, d_last)
        layer.weight_gradients(steps, device_carry, boundary, self.gradient, self.ones)
        after = {"da": layer.da[:steps], "da_rec": layer.da_rec[:steps]} | self.gradient
        after |= {f"d_first {name}": array for name, array in layer.d_first.items()}
        return results | {name: self.be.to_host(array) for name, array in after.items()}


def carries(steps: int, lanes: int) -> Iterator[np.ndarray | None]:
    yield None
    carry = np.ones((steps, lanes, 1), np.float32)
    carry[0, 0] = carry[steps // 2, lanes - 1] = carry[steps - 1, 0] = 0
    yield carry


def compare(be: Backend, cell: str, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Layer(be, cell, shape)
    with monkeypatch.context() as patch:
        patch.setattr(type(be), "bind_persistent", lambda *_, **__: None)
        by_step = Layer(be, cell, shape)
    for steps in (shape[0], 1):
        for carry in carries(shape[0], shape[1]):
            whole.rng = np.random.default_rng(1)
            by_step.rng = np.random.default_rng(1)
            expected = by_step.run(steps, carry)
            found = whole.run(steps, carry)
            whole.rng = np.random.default_rng(1)
            again = whole.run(steps, carry)
            for name, array in expected.items():
                assert np.any(array), f"{name}: all zeros"
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(found[name], array, rtol=0, atol=scale * TOLERANCE, err_msg=name)
                np.testing.assert_array_equal(found[name], again[name], err_msg=f"{name}: a second run differs")


@pytest.mark.parametrize("hidden", [1, 5, 33, 64])
@pytest.mark.parametrize("cell", LARGEST)
def test_a_window_in_one_launch_is_the_loop_over_its_steps(
    cuda: Backend, be: Backend, cell: str, hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(be, cell, (4, 3, hidden), monkeypatch)


@pytest.mark.parametrize("cell", LARGEST)
def test_weights_that_do_not_fit_the_registers_are_in_shared_memory(
    cuda: Backend, be: Backend, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpurnn.backend.cuda import persistent

    monkeypatch.setattr(persistent, "_WORKING_REGISTERS", (255 - 8,))
    compare(be, cell, (4, 3, 21), monkeypatch)


@pytest.mark.parametrize("cell", LARGEST)
def test_the_largest_sizes(cuda: Backend, be: Backend, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(be, cell, (2, 2, LARGEST[cell]), monkeypatch)


@pytest.mark.parametrize("threads", REGISTERS)
def test_the_warps_of_a_block_share_the_registers_of_four_parts(cuda: Backend, threads: int) -> None:
    from gpurnn.backend.cuda import persistent

    assert persistent.most_registers(threads, 65536) == REGISTERS[threads]


@pytest.mark.parametrize("sm", KIB)
@pytest.mark.parametrize(("cell", "hidden", "held", "shared"), HELD)
def test_what_a_device_holds(cuda: Backend, sm: int, cell: str, hidden: int, held: int, shared: int) -> None:
    from gpurnn.backend.cuda import persistent

    for op in CELLS[cell].persistent:
        found = persistent.layout(op, {"B": 2, "N": 4, "H": hidden}, 65536, KIB[sm] << 10, working=44)
        if shared <= KIB[sm] << 10:
            assert (found.registers, found.shared) == (held, shared)
        else:
            assert found == f"it needs {shared / 1024:.1f} KiB of shared memory; a block has {KIB[sm]}.0"


@pytest.mark.parametrize("cell", LARGEST)
def test_a_device_takes_what_it_can_hold_and_says_why_nothing_else(cuda: Backend, be: Backend, cell: str) -> None:
    largest = LARGEST[cell]
    for op in CELLS[cell].persistent:
        for hidden in (1, 5, largest):
            assert be.bind_persistent(op, "float32", N=4, B=2, H=hidden) is not None
            assert be.why_not_persistent(op, "float32", N=4, B=2, H=hidden) == ""
        gates = CELLS[cell].gates
        refused = {
            ("float32", largest + 1): "it needs 2[0-9]{2}[.][0-9] KiB of shared memory; a block has 227.0",
            ("float32", 2000): f"it needs {2000 * gates} threads; a block has at most 1024",
            ("float64", 5): "whole windows are computed in float32, not float64",
        }
        for (dtype, hidden), why in refused.items():
            assert be.bind_persistent(op, dtype, N=4, B=2, H=hidden) is None
            assert re.fullmatch(why, be.why_not_persistent(op, dtype, N=4, B=2, H=hidden))


def test_weights_leave_the_registers_until_the_compiler_has_enough(
    cuda: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpurnn.backend.cuda.kernels import Kernels

    enough, asked = 0, []

    def get(self: Kernels, *_: object, **__: object) -> SimpleNamespace:
        asked.append(_[3]["REGISTERS"])
        return SimpleNamespace(local_size_bytes=max(0, asked[-1] - enough))

    monkeypatch.setattr(Kernels, "get", get)
    op, sizes = CELLS["lstm"].persistent[0], {"N": 4, "B": 2, "H": 128}
    assert cuda.bind_persistent(op, "float32", **sizes) is None
    assert asked == [84, 80, 72]
    why = cuda.why_not_persistent(op, "float32", **sizes)
    assert why == "the compiler keeps 72 bytes of each thread in memory off the chip"
    enough = 80
    asked.clear()
    assert cuda.bind_persistent(op, "float32", **sizes) is not None
    assert max(asked) == 84
    assert asked[-1] == 80


def test_the_cpu_has_the_loop_only() -> None:
    from gpurnn import backend

    cpu = backend.get("cpu")
    for op in CELLS["lstm"].persistent:
        assert cpu.bind_persistent(op, "float32", N=4, B=2, H=5) is None
        assert cpu.why_not_persistent(op, "float32", N=4, B=2, H=5) == "whole windows are kernels of a GPU"


def test_every_cell_with_persistent_kernels_is_tested() -> None:
    assert (
        LARGEST.keys()
        == {cell.name for cell in CELLS.values() if cell.persistent}
        == set(outside_cell.of_the_package())
    )
