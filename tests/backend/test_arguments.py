"""What operations accept and what they change, the same on every backend."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_fused_parity import OPERATIONS, SIZES, USED_UP, arguments_of, dims_of

from gpurnn.backend import Argument, Array, Backend, FusedOp, RowPlan, extent
from gpurnn.backend.cpu import CpuBackend
from gpurnn.network.cells import CELLS

DTYPE = "float32"


def on_device(be: Backend, host: list[np.ndarray]) -> list[Array]:
    return [be.from_host(x.astype(be.index_dtype) if x.dtype.kind == "i" else x) for x in host]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_changes_what_it_declares_and_nothing_else(be: Backend, name: str) -> None:
    op, dims = OPERATIONS[name], dims_of(OPERATIONS[name], SIZES[1])
    run, changed = be.bind(op, DTYPE, **dims), set()
    for seed in range(40):
        arrays = on_device(be, arguments_of(op, dims, DTYPE, np.random.default_rng(seed)))
        before = [be.to_host(array) for array in arrays]
        run(*arrays)
        for argument, array, was in zip(op.arguments, arrays, before, strict=True):
            if be.to_host(array).tobytes() != was.tobytes():
                changed.add(argument)
    declared = {argument for argument, how in op.arguments.items() if how.written}
    assert changed <= declared
    may_stay = {"parts", "tickets"} | ({"o"} if name in USED_UP else set())
    assert declared - changed <= may_stay, "declared as written, and never changed"


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_cuda_source_writes_what_is_declared(name: str) -> None:
    op = OPERATIONS[name]
    if op.source is None:
        return  # its NumPy-style body is what runs
    declaration = re.search(rf'extern "C" __global__ void {name}\(([^)]*)\)', op.source.read_text("utf-8"))
    assert declaration
    for parameter, (argument, how) in zip(declaration[1].split(","), op.arguments.items(), strict=False):
        assert ("const" not in parameter) == how.written, f"{argument}: {parameter.strip()}"


@pytest.mark.parametrize("cell", CELLS)
def test_persistent_kernels_write_what_is_declared(cell: str) -> None:
    for op in CELLS[cell].persistent or ():
        declaration = re.search(rf"\b{op.name}\(([^)]*)\)", op.source.read_text("utf-8"))
        assert declaration
        for parameter, (argument, how) in zip(declaration[1].split(","), op.arguments.items(), strict=False):
            assert ("const" not in parameter) == how.written, f"{argument}: {parameter.strip()}"


def wrong_arrays(be: Backend, right: Array, *, written: bool) -> dict[str, Any]:
    """Arrays that differ from one that is right in one thing each."""
    xp, shape = be.xp, right.shape
    wider = xp.zeros((*shape[:-1], shape[-1] + 1), right.dtype)
    bytes_of = xp.zeros(right.nbytes + 1, np.uint8)[1:]
    wrong = {
        "dtype": xp.zeros(shape, np.float16 if right.dtype.kind == "f" else np.int16),
        "longer": wider,
        "another axis": xp.zeros((1, *shape), right.dtype),
        "no axis": xp.zeros((), right.dtype),
        "empty": xp.zeros((0, *shape[1:]), right.dtype),
        "not aligned": bytes_of.view(right.dtype).reshape(shape),
        "a list": right.tolist(),
        "nothing": None,
    }
    if shape[0] > 1 and right.ndim > 1 and shape[1] > 1:
        wrong["strided"] = wider[..., 1:]
        wrong["columns first"] = xp.zeros(shape[::-1], right.dtype).T
    if be.name == "cpu" and written:
        read_only = np.zeros(shape, right.dtype)
        read_only.flags.writeable = False
        wrong["read-only"] = read_only
    if be.name == "cpu":
        wrong["masked"] = np.ma.masked_array(np.zeros(shape, right.dtype))
        wrong["of a class of its own"] = np.zeros(shape, right.dtype).view(type("Metres", (np.ndarray,), {}))
    if be.name == "cuda":
        wrong["an array of NumPy's"] = np.zeros(shape, right.dtype)
    return wrong


def refused(run: Callable[..., Any], arrays: list[Any], name: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf" {re.escape(name)}: expected "):
        run(*arrays)


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def every(be: Backend, request: pytest.FixtureRequest) -> Backend:
    """The backend of this run; on a CPU with compiled bodies and without."""
    if be.name == "cuda":
        return be
    return CpuBackend(compiled=request.param)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_takes_only_arrays_that_are_as_declared(every: Backend, name: str) -> None:
    be, op, dims = every, OPERATIONS[name], dims_of(OPERATIONS[name], SIZES[1])
    run = be.bind(op, DTYPE, **dims)
    arrays = on_device(be, arguments_of(op, dims, DTYPE, np.random.default_rng(0)))
    for position, (argument, how) in enumerate(op.arguments.items()):
        for what, wrong in wrong_arrays(be, arrays[position], written=how.written).items():
            changed = [*arrays[:position], wrong, *arrays[position + 1 :]]
            with pytest.raises((TypeError, ValueError)) as caught:
                run(*changed)
            assert str(caught.value).startswith(f"{name}: "), what
            named = "|".join(op.arguments) if how.shape[0] == "N" else argument  # rows are those of the first one
            assert re.search(rf" ({named}): expected ", str(caught.value)), f"{what}: {caught.value}"
    for count in (0, len(arrays) - 1, len(arrays) + 1):
        with pytest.raises(TypeError, match=f"{name}: expected {len(arrays)} arrays"):
            run(*(arrays + arrays)[:count])


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_written_lies_apart(be: Backend, name: str) -> None:
    op, dims = OPERATIONS[name], dims_of(OPERATIONS[name], SIZES[1])
    run = be.bind(op, DTYPE, **dims)
    arrays = on_device(be, arguments_of(op, dims, DTYPE, np.random.default_rng(0)))
    named = list(op.arguments.items())
    for i, (one, how) in enumerate(named):
        for j, (other, beside) in enumerate(named):
            if i == j or arrays[i].nbytes > arrays[j].nbytes or not (how.written or beside.written):
                continue
            inside = arrays[j].reshape(-1).view(np.uint8)[: arrays[i].nbytes].view(arrays[i].dtype)
            changed = [*arrays[:i], inside.reshape(arrays[i].shape), *arrays[i + 1 :]]
            if how.shares == other or beside.shares == one:
                run(*changed)
            elif how.kind != "index":
                with pytest.raises(ValueError, match=rf"{name}: \w+: expected memory apart from \w+, which is written"):
                    run(*changed)


def test_row_numbers_out_of_range_reach_nothing(be: Backend) -> None:
    """NumPy and the compiled bodies say so; a device, which would have to be waited for, gives NaN."""
    op, dims = OPERATIONS["softmax_xent"], {"N": 4, "K": 5}
    run = be.bind(op, DTYPE, **dims)
    for number in (-1, 5, 2**31 - 1, -(2**31)):
        host = arguments_of(op, dims, DTYPE, np.random.default_rng(0))
        host[1][2] = number
        arrays = on_device(be, host)
        table, out = be.from_host(np.ones((5, 3), DTYPE)), be.zeros((4, 3), DTYPE)
        if be.name == "cpu":
            refused(run, arrays, "target")
            refused(be.gather_rows, [table, arrays[1], out], "index")
            np.testing.assert_array_equal(arrays[0], host[0])
        else:
            run(*arrays)
            be.gather_rows(table, arrays[1], out)
            assert np.isnan(be.to_host(arrays[4])).tolist() == [False, False, True, False]
            assert np.isnan(be.to_host(out)).any(axis=1).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", ["a", "b", "out"])
def test_products_take_only_matrices_that_fit(every: Backend, name: str) -> None:
    be = every
    right = {"a": (3, 4), "b": (4, 5), "out": (3, 5)}
    arrays = {each: be.zeros(shape, DTYPE) for each, shape in right.items()}
    for what, wrong in wrong_arrays(be, arrays[name], written=name == "out").items():
        if what in ("strided", "columns first"):
            be.gemm(**{**arrays, name: wrong})
            continue
        with pytest.raises((TypeError, ValueError), match=r"^gemm: (a|b|out): expected "):
            be.gemm(**{**arrays, name: wrong})
    gaps = be.zeros((2 * right[name][0], 2 * right[name][1]), DTYPE)[::2, ::2]
    refused(be.gemm, [*({**arrays, name: gaps}).values()], name)


def test_a_product_is_not_written_over_its_factors(be: Backend) -> None:
    square, other = be.zeros((4, 4), DTYPE), be.zeros((4, 4), DTYPE)
    refused(be.gemm, [square, other, square], "a")
    refused(be.gemm, [other, square, square.T], "b")
    both = be.from_host(np.arange(32, dtype=DTYPE).reshape(4, 8))
    left, right = both[:, :4], both[:, 4:]  # in one array, but apart
    host = be.to_host(both)
    be.gemm(left, left, right)
    np.testing.assert_allclose(be.to_host(right), host[:, :4] @ host[:, :4])


def test_a_row_gradient_takes_only_what_fits(every: Backend) -> None:
    be = every
    gradient = be.row_gradient(4, 300, 3, DTYPE)
    index = be.from_host(np.array([1, 1, 2, 299]).astype(be.index_dtype))
    order, runs = be.from_host(np.arange(4).astype(be.index_dtype)), be.from_host(np.array([3], be.index_dtype))
    plan = RowPlan(order, be.from_host(np.array([0, 2, 3, 0], be.index_dtype)), index[1:].copy(), runs)
    right = {"d_out": be.zeros((4, 3), DTYPE), "index": index, "d_table": be.zeros((300, 3), DTYPE)}
    for name, array in right.items():
        for wrong in wrong_arrays(be, array, written=name == "d_table").values():
            arrays = {**right, name: wrong}
            with pytest.raises((TypeError, ValueError), match=r"^row_gradient: (d_out|index|d_table): expected "):
                gradient(arrays["d_out"], arrays["index"], plan, arrays["d_table"])
    if be.plans_rows:
        short = replace(plan, order=order[:2].copy())
        refused(gradient, [right["d_out"], index, short, right["d_table"]], "plan.order")
        for wrong in (None, (order, order, order, runs), {"order": order}):
            refused(gradient, [right["d_out"], index, wrong, right["d_table"]], "plan")


def test_masks_copies_and_staged_arrays_name_what_does_not_fit(every: Backend) -> None:
    be = every
    window, out = be.zeros((1,), np.int64), be.zeros((3, 4), DTYPE)
    draw = be.dropout_mask(1, 0, 0.5)
    refused(draw, [be.zeros((4, 6), DTYPE)[:, ::2], window], "out")
    refused(draw, [be.zeros((3,), np.int32), window], "out")
    refused(draw, [out, be.zeros((1,), np.int32)], "window")
    wrong_chances = [(0, 0, p) for p in (1.0, -0.1, float("nan"), "0.5", None, 1j, True, np.array([0.5, 0.5]))]
    wrong_seeds = [(seed, 0, 0.5) for seed in (-1, 2**64, 1.5, "1", None, True)]
    for name, arguments in (
        *(("seed", each) for each in wrong_seeds),
        ("layer", (0, 2**64, 0.5)),
        *(("p", each) for each in wrong_chances),
    ):
        refused(lambda *given: be.dropout_mask(*given), list(arguments), name)
    refused(lambda array: be.from_host(np.zeros(4), out=array), [out], "out")
    refused(lambda array: be.from_host(np.zeros((3, 4)), out=array), [np.zeros((3, 4)).tolist()], "out")
    staging = be.staging({"x": out, "window": window})
    for wrong in (np.zeros((4, 4)), np.zeros((3, 1)), np.zeros(3), np.zeros((3, 4), complex), [[0.0] * 4] * 3):
        refused(lambda array: staging.push({"x": array}), [wrong], "x")
    refused(lambda: staging.push({"y": np.zeros(1)}), [], "y")
    refused(lambda: be.staging({"x": out, "y": out[1:]}), [], "y")
    masked = np.ma.masked_array(np.ones((3, 4)), True)
    refused(lambda array: staging.push({"x": array}), [masked], "x")
    for nothing in (None, [np.zeros(1)]):
        refused(staging.push, [nothing], "host")
    refused(lambda: be.staging({"x": be.zeros((), DTYPE)}), [], "x")
    staging.push({"x": np.ones((2, 4))})
    staging.pop()
    assert be.to_host(out)[:, 0].tolist() == [1, 1, 0]
    for host in (None, "abc", object(), np.zeros(3, "M8[s]")):
        refused(be.from_host, [host], "host")


def test_whole_numbers_are_cast_where_they_are_held(be: Backend) -> None:
    buffer = be.zeros((2,), np.int32)
    staging = be.staging({"x": buffer})
    for dtype, numbers in (("i8", [2**31, 0]), ("i8", [0, -(2**31) - 1]), ("u4", [2**32 - 1, 1]), ("u8", [2**63, 1])):
        wrong = np.array(numbers, dtype)
        refused(lambda array: staging.push({"x": array}), [wrong], "x")
        refused(lambda array: be.from_host(array, out=buffer), [wrong], "host")
        assert be.to_host(buffer).tolist() == [0, 0]
    for dtype in ("i8", "u4", "u8", "i1"):
        right = np.array([3, np.iinfo("i1").max], dtype)
        staging.push({"x": right})
        staging.pop()
        assert be.to_host(buffer).tolist() == right.tolist()
        assert be.to_host(be.from_host(right[::-1].copy(), out=buffer)).tolist() == right[::-1].tolist()


def test_arrays_in_a_file_are_arrays(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(np.arange(1, 13, dtype=DTYPE).tobytes())
    stored = np.memmap(tmp_path / "numbers", DTYPE, "r", shape=(3, 4))
    for be in (CpuBackend(), CpuBackend(compiled=False)):
        out = be.zeros((3, 3), DTYPE)
        be.gemm(stored, stored.T, out)
        np.testing.assert_allclose(out, np.array(stored) @ np.array(stored).T)
        refused(be.gather_rows, [stored, np.zeros(3, np.intp), stored], "out")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Argument(()), "shape: expected a tuple"),
        (lambda: Argument("BH"), "shape: expected a tuple"),
        (lambda: Argument(["B"]), "shape: expected a tuple"),
        *(
            (lambda axis=axis: Argument((axis,)), "extent '")
            for axis in ("", "-2B", "B+1", "B2", "4 H", "\u0663H", "2.5")
        ),
        (lambda: Argument(("B",), "float"), "kind: expected one of"),
        (lambda: Argument(("B",), below="B"), "below: expected for an index only"),
        (lambda: FusedOp("x", {}, print), "x: arguments: expected 1 or more"),
        (lambda: FusedOp("x", {"y": Argument(("B",), "range")}, print), "x: y: kind range is for scratch"),
        (lambda: FusedOp("x", {"y": Argument(("B",), shares="z")}, print), "x: y: shares: expected an argument"),
        (lambda: extent("BH", {"B": 2}), "extent 'BH': no dimension 'H' among B"),
        (lambda: extent("", {}), "extent '': expected a factor and letters"),
        (lambda: extent("12H3", {"H": 8}), "extent '12H3': expected a factor and letters"),
        (lambda: extent("H4", {"H": 8}), "extent 'H4': expected a factor and letters"),
    ],
)
def test_a_declaration_of_which_nothing_can_be_made_is_refused(make: Callable[[], Any], match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(match)):
        make()


@pytest.mark.parametrize(
    ("dims", "dtype"),
    [
        ({"B": 2}, "float32"),
        ({"B": 2, "H": 0}, "float32"),
        ({"B": 2, "H": 2.0}, "float32"),
        ({"B": 2, "H": 3, "A": 7}, "float32"),
        ({"B": 2, "H": 3}, "float16"),
        ({"B": 2, "H": 3}, ">f4"),
        ({"B": 2, "H": 3}, None),
        ({"B": 2, "H": 3}, "no dtype"),
        ({"B": 2, "H": 3}, ["f4"]),
        ({"B": True, "H": 3}, "float32"),
        ({"B": 2**40, "H": 2**40}, "float32"),
        ({"B": 2**63, "H": 1}, "float32"),
    ],
)
def test_operations_are_bound_to_the_dimensions_and_dtypes_that_they_have(
    be: Backend, dims: dict[str, Any], dtype: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^simple_forward: (dtype|dimension)"):
        be.bind(OPERATIONS["simple_forward"], dtype, **dims)


def test_an_operation_with_the_name_of_a_compiled_one_keeps_its_own_body(be: Backend) -> None:
    original = OPERATIONS["simple_relu_forward"]
    arguments = {"a": original.arguments["a"], "h": original.arguments["h"]}
    double = replace(original, arguments=arguments, body=lambda xp, a, h: xp.add(a, a, out=h), scratch={}, source=None)
    a, h = be.from_host(np.ones((2, 3), DTYPE)), be.zeros((2, 3), DTYPE)
    be.bind(double, DTYPE, B=2, H=3)(a, h)
    assert be.to_host(h).tolist() == [[2.0] * 3] * 2
