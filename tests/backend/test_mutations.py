"""Kernels with a fault put in: the suite's own checks have to notice each one.

A check that passes on a faulty kernel would pass on anything. Every CUDA file is broken at least once, by an index, a
missing barrier, a wrong gate, a missing carry or a wrong bound; the checks run as they do elsewhere, in strict orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import test_contract as contract
import test_fused_parity as fused
import test_persistent_kernels as whole

import gpurnn
from gpurnn.backend import Backend

Check = Callable[[Backend, pytest.MonkeyPatch], None]

ORDERS = ("forward", "reverse", "random")
BARRIER = "__syncthreads();\n"


def parity(name: str, size: int = 1, dtype: str = "float32") -> Check:
    """The check of a fused operation, at one of its sizes."""
    return lambda be, patch: fused.agree([be], name, fused.SIZES[size], dtype)


def window(cell: str) -> Check:
    """The check of a cell's persistent kernels."""
    return lambda be, patch: whole.compare(be, cell, (4, 3, 5), patch)


def rows(be: Backend, patch: pytest.MonkeyPatch) -> None:
    contract.test_row_gather_and_its_gradient(be, "float64", 7, 5, 40)


def masks(be: Backend, patch: pytest.MonkeyPatch) -> None:
    contract.test_dropout_masks_are_numpys_bit_for_bit(be, "float32", 1, 2, 3, 0.3, (5, 3, 7))


def staging(be: Backend, patch: pytest.MonkeyPatch) -> None:
    contract.test_staging_hands_on_windows_in_their_order_one_ahead(be)


@dataclass(frozen=True)
class Mutant:
    """In the CUDA file `source`, `old` becomes `new`; `check` has to fail."""

    source: str
    old: str
    new: str
    check: Check


MUTANTS = {
    "masks: a word too early": Mutant("masks.cu", "(word)block + 1", "(word)block", masks),
    "rows: the last run too short": Mutant("rows.cu", "starts[run + 1] : n)", "starts[run + 1] : n - 1)", rows),
    "rows: no barrier before the parts are added": Mutant("rows.cu", BARRIER, "\n", rows),
    "rows: gathered from a row too far": Mutant("rows.cu", "index[blockIdx.x] *", "(index[blockIdx.x] + 1) *", rows),
    "staging: one word too few": Mutant("staging.cu", "i < length;", "i + 1 < length;", staging),
    "simple: threads beyond the last element": Mutant(
        "simple.cu", "i >= B * H", "i < 0", parity("simple_forward", 2, "float64")
    ),
    "lstm: input and forget gate swapped": Mutant(
        "lstm.cu", "f * c_prev[element] + i * g", "i * c_prev[element] + f * g", parity("lstm_forward")
    ),
    "lstm: the error of c is not carried on": Mutant(
        "lstm.cu", "const REAL dc = e[element] + dh", "const REAL dc = dh", parity("lstm_backward")
    ),
    "gru: the bias of another gate": Mutant("gru.cu", "b[unit + H]", "b[unit]", parity("gru_forward")),
    "gru: the wrong gate in reverse": Mutant("gru.cu", "= da_n * r;", "= da_n * z;", parity("gru_backward")),
    "window: a product four weights short": Mutant(
        "persistent.cu", "k < REGISTERS; k += 4", "k < REGISTERS - 4; k += 4", window("simple")
    ),
    "simple window: no carry": Mutant(
        "simple_persistent.cu", "= state * carry[row + B];", "= state;", window("simple")
    ),
    "simple window: one buffer where there are two": Mutant(
        "simple_persistent.cu", "da + t % 2 * PADDED", "da", window("simple")
    ),
    "lstm window: no barrier after the gates": Mutant(
        "lstm_persistent.cu", "gates[j] = gate;\n        " + BARRIER, "gates[j] = gate;\n", window("lstm")
    ),
    "lstm window: no carry in reverse": Mutant(
        "lstm_persistent.cu", "dc *= f * carry[row];", "dc *= f;", window("lstm")
    ),
    "gru window: no barrier before the sums": Mutant(
        "gru_persistent.cu", "da + gate * PADDED);\n        " + BARRIER, "da + gate * PADDED);\n", window("gru")
    ),
    "gru window: the wrong gate keeps the state": Mutant(
        "gru_persistent.cu", "(state - n) * gates[H + j]", "(state - n) * gates[j]", window("gru")
    ),
    "loss: half of a reduction": Mutant(
        "loss.cu", "half = BLOCK / 2;", "half = BLOCK / 4;", parity("weighted_loss", 2)
    ),
    "linear: the bias of another row": Mutant("linear.cu", "i % K", "i / K % K", parity("add_bias")),
    "softmax: no barrier before the row is overwritten": Mutant(
        "softmax_xent.cu", "__syncwarp();", "", parity("softmax_xent")
    ),
    "softmax: a sum over half a warp": Mutant(
        "softmax_xent.cu",
        "int step = WARP / 2; step > 0; step /= 2)\n        x +=",
        "int step = WARP / 4; step > 0; step /= 2)\n        x +=",
        parity("softmax_xent"),
    ),
    "real targets: a missing one is counted": Mutant(
        "regression.cu", "if (!missing)", "if (true)", parity("quantile_with_error")
    ),
    "real targets: the level of another quantile": Mutant(
        "regression.cu", "levels[k % Q]", "levels[k / Q % Q]", parity("quantile")
    ),
    "real targets: a sum over half a warp": Mutant(
        "regression.cu", "int step = WARP / 2;", "int step = WARP / 4;", parity("absolute", 2)
    ),
    "pool: a sequence that begins is not seen": Mutant(
        "pool.cu", "begin ? 0.0 : total) + (double)y[i]", "t == 0 ? 0.0 : total) + (double)y[i]", parity("mean_pool")
    ),
    "pool: the error of another half": Mutant(
        "pool.cu", "total += (double)dz[i + H]", "total += (double)dz[i]", parity("last_pool_error")
    ),
    "sampling: the least likely symbol": Mutant(
        "sampling.cu", "row[k] > row[best] ? k", "row[k] < row[best] ? k", parity("own_symbols", 2)
    ),
    "sampling: equal symbols in any order": Mutant(
        "sampling.cu", "before += j < i &&", "before +=", parity("sort_symbols")
    ),
    "sampling: the row of another place": Mutant("sampling.cu", "= index[order[i]]", "= index[i]", parity("find_runs")),
    "boundaries: the carry of another row": Mutant("masked.cu", "carry[i / H]", "carry[i % n]", parity("mask_rows")),
    "directions: not reversed": Mutant("directions.cu", "reverse[reversed];", "reverse[i];", parity("join_directions")),
    "attention: beyond the own source": Mutant(
        "attention.cu", "last[n] / B - first[n] / B + 1", "last[n] / B - first[n] / B", parity("dot_attention")
    ),
    "attention: no barrier before the scores are used": Mutant(
        "attention.cu",
        "errors[s] = shares[s] * (errors[s] - mean);\n    }\n    " + BARRIER,
        "errors[s] = shares[s] * (errors[s] - mean);\n    }\n",
        parity("dot_attention_error"),
    ),
    "attention: the slope of another curve": Mutant(
        "output.cu", "(1 - y[i] * y[i])", "(1 - y[i])", parity("tanh_error")
    ),
    "ctc: equal labels without a blank between": Mutant(
        "ctc.cu", "i == 0 || label != target[row_of(s.first + i - 1)]", "true", parity("ctc")
    ),
    "ctc: no barrier before the neighbours' states are overwritten": Mutant(
        "ctc.cu", "__syncthreads();  // every thread has read what its neighbours overwrite", "", parity("ctc")
    ),
    "encoder: a column of the other end": Mutant(
        "encoder.cu", "k < K / 2 ? last[sequence]", "k <= K / 2 ? last[sequence]", parity("take_ends")
    ),
    "update: no barrier in the norm's reduction": Mutant(
        "optimizer.cu",
        BARRIER + "        if (threadIdx.x < half)",
        "        if (threadIdx.x < half)",
        parity("control"),
    ),
    "update: weight decay on a bias": Mutant(
        "optimizer.cu", "i < settings[MATRICES]", "i <= settings[MATRICES]", parity("adam")
    ),
    "update: an average that forgets one update too many": Mutant(
        "optimizer.cu", "(ctl[UPDATES] - 1)", "ctl[UPDATES]", parity("adam")
    ),
    "carry out: kept where it should be skipped": Mutant(
        "step.cu", "ctl[OUTCOME] != NOT_FINITE ? last[i]", "ctl[OUTCOME] == NOT_FINITE ? last[i]", parity("carry_out")
    ),
}


@contextmanager
def mutated(mutant: Mutant, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels are compiled with the fault; fails where none was."""
    from gpurnn.backend.cuda import kernels

    original, found = kernels.specialised, []

    def with_fault(source: Path, dtype: Any, dims: Mapping[str, int], prelude: Path | None = None) -> str:
        text = original(source, dtype, dims, prelude)
        if mutant.source in (source.name, prelude.name if prelude else ""):
            assert text.count(mutant.old) == 1, f"{mutant.source}: expected once: {mutant.old}"
            text = text.replace(mutant.old, mutant.new)
            found.append(source)
        return text

    with patch.context() as inner:
        inner.setattr(kernels, "specialised", with_fault)
        yield
    assert found, f"{mutant.source} was never compiled"


def failure(device: ModuleType, check: Check, order: str, patch: pytest.MonkeyPatch) -> str:
    """What the check finds wrong when threads run in this order; empty where all is well."""
    import cupy

    from gpurnn.backend.cuda import CudaBackend

    try:
        with device.strict(order):
            check(CudaBackend(graphs=False), patch)
    except (AssertionError, cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError) as error:
        device.clear_error()  # before what the check had allocated is freed
        return str(error) or type(error).__name__
    return ""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_faulty_kernel_is_noticed(emulated: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    with mutated(mutant, monkeypatch):
        assert any(failure(emulated, mutant.check, order, monkeypatch) for order in ORDERS)
    assert not failure(emulated, mutant.check, "forward", monkeypatch), "the check fails without a fault, too"


def test_every_cuda_file_is_broken_once() -> None:
    files = {path.name for path in Path(gpurnn.__file__).parent.rglob("*.cu")}
    assert {mutant.source for mutant in MUTANTS.values()} == files
