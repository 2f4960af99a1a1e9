"""The benchmark's own logic: operations counted, statistics, what is written. No peer is needed."""

from __future__ import annotations

import json
import math
from functools import partial
from itertools import islice
from types import ModuleType

import numpy as np
import pytest
from bench_lib import __main__, cases, inputs, report
from bench_lib.cases import Case, window_flops
from bench_lib.check import check, difference
from bench_lib.measure import Result, as_json, measure
from bench_lib.processor import Processor, parse, processor
from bench_lib.products import SIZES, Products, square_product
from bench_lib.programs import numpy_product, ours
from bench_lib.programs.ours import stream
from bench_lib.stages import STAGES, Clock
from bench_lib.stages import measure as measure_stages
from bench_lib.stats import Ratio, geometric_mean, ratio, warm_up, windows_in

from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.chain import parts_of, specs_of

SMALL = Case("lstm", 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("case", "products"),
    [
        (Case("simple", 2, 3, 4, 5), [(6, 4, 4), (6, 4, 5)]),
        (Case("lstm", 2, 3, 4, 5), [(6, 4, 16), (6, 4, 5)]),
        (Case("gru", 2, 3, 4, 5), [(6, 4, 12), (6, 4, 5)]),
        (Case("gru", 2, 3, 4, 5, 2), [(6, 4, 12), (6, 4, 12), (6, 4, 12), (6, 4, 5)]),
    ],
)
def test_flops_are_those_of_each_forward_product_three_times(case: Case, products: list[tuple[int, int, int]]):
    assert window_flops(case) == sum(3 * 2 * m * k * n for m, k, n in products)


def test_grid_has_every_cell_at_every_shape_once_and_two_layers():
    grid = cases.grid()
    assert len(grid) == len(set(grid)) == 3 * 6 + 3
    assert {c.cell for c in grid} == {"simple", "lstm", "gru"}
    assert [c for c in grid if c.layers == 2] == [Case(cell, 32, 64, 256, 100, 2) for cell in ("simple", "lstm", "gru")]
    assert set(cases.quick()) < set(grid)


@pytest.mark.parametrize("case", cases.quick())
def test_gates_and_parameters_are_those_of_gpurnn(case: Case):
    assert case.gates == CELLS[case.cell].gates
    specs = specs_of(parts_of(ModelConfig(symbols=case.symbols, cell=case.cell, hidden=case.hidden)))
    assert {s.name: s.shape for s in specs} == {n: v.shape for n, v in inputs.parameters(case).items()}


def test_ratio_is_the_median_over_rounds_between_its_quartiles():
    assert ratio([1.0, 1.0, 1.0, 1.0, 1.0], [2.0, 5.0, 3.0, 1.0, 4.0]) == Ratio(3.0, 2.0, 4.0)


def test_ratio_does_not_see_what_slows_a_whole_round():
    assert ratio([1.0, 10.0, 2.0], [1.5, 15.0, 3.0]) == Ratio(1.5, 1.5, 1.5)


def test_ratio_of_one_round_is_that_round():
    assert ratio([2.0], [3.0]) == Ratio(1.5, 1.5, 1.5)


def test_ratio_refuses_rounds_that_do_not_match():
    with pytest.raises(ValueError, match="found 1 and 2"):
        ratio([1.0, 2.0], [1.0])


def test_geometric_mean():
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    assert math.isnan(geometric_mean([]))


def test_a_slice_holds_the_windows_that_fit_and_at_least_one():
    assert windows_in(0.5, 0.01) == 50
    assert windows_in(0.5, 3.0) == 1
    assert warm_up(0.001) == 30
    assert warm_up(0.1) == 1
    assert warm_up(3.0) == 0


def test_targets_follow_their_tokens_within_and_across_windows():
    pool = inputs.windows(SMALL)
    tokens = np.concatenate([t for t, _ in pool])
    targets = np.concatenate([u for _, u in pool])
    assert tokens.shape == (inputs.POOL * SMALL.bptt, SMALL.lanes)
    assert np.array_equal(tokens[1:], targets[:-1])
    assert tokens.min() >= 0 and tokens.max() < SMALL.symbols


def test_windows_for_gpurnn_come_with_their_plan_where_it_is_read():
    pool = inputs.windows(SMALL)
    assert not next(stream(pool, plan=False)).plans
    for number, window in enumerate(islice(stream(pool, plan=True), inputs.POOL + 3)):
        tokens = pool[number % inputs.POOL][0]
        assert np.array_equal(window.tokens, tokens)
        assert np.array_equal(window.targets, pool[number % inputs.POOL][1])
        assert np.array_equal(window.plans["tokens"].order, np.argsort(tokens, axis=None, kind="stable"))
        assert np.array_equal(window.plans["tokens"].rows, np.unique(tokens))
        assert window.weight_sum == SMALL.tokens


def test_a_large_product_counts_two_operations_for_each_of_n_cubed(monkeypatch: pytest.MonkeyPatch):
    now = iter([0.0, 9.0, 10.0, 10.5, 20.0, 20.25])
    monkeypatch.setattr("bench_lib.products.time.perf_counter", lambda: next(now))
    seen = []

    def make(a: np.ndarray, b: np.ndarray) -> partial[None]:
        assert a.shape == b.shape == (100, 100) and a.dtype == b.dtype == np.float32
        return partial(seen.append, "multiplied")

    assert square_product(make, 100, 2) == pytest.approx([4e-3, 8e-3])  # the first one does not count
    assert seen == ["multiplied"] * 3


@pytest.mark.parametrize("library", [numpy_product, ours])
def test_what_is_measured_is_the_product(library: ModuleType):
    a, b = (np.random.default_rng(seed).random((40, 40), np.float32) for seed in (1, 2))
    multiply = library.product(a, b)
    multiply()
    out = multiply.keywords.get("out", multiply.args[-1])
    assert out is not b
    np.testing.assert_allclose(out, a @ b, rtol=1e-5)


class FakeLibrary:
    """Has a rate at each size, then others one by one; notes what it was asked for."""

    def __init__(self, first: dict[int, list[float]], later: list[float]) -> None:
        self.first, self.later, self.asked = first, iter(later), []

    def __call__(self, size: int, times: int) -> list[float]:
        self.asked.append((size, times))
        return self.first[size] if times > 1 else [next(self.later)]


def test_each_library_has_the_median_rate_at_its_fastest_size():
    small, middle, large = SIZES
    one = FakeLibrary({small: [1.0, 9.0, 2.0], middle: [30.0, 10.0, 40.0], large: [3.0] * 3}, [50.0, 20.0])
    other = FakeLibrary({small: [2.0] * 3, middle: [31.0] * 3, large: [32.0] * 3}, [32.0, 32.0])
    products = Products({"numpy": one, "pytorch": other})
    assert products.sizes == {"numpy": middle, "pytorch": large}
    assert products.gflops == {"numpy": 30.0, "pytorch": 32.0} and products.best == "pytorch"
    products.again()
    assert products.gflops == {"numpy": 35.0, "pytorch": 32.0} and products.best == "numpy"
    products.again()
    assert products.gflops == {"numpy": 30.0, "pytorch": 32.0} and products.best == "pytorch"
    assert [times for _, times in one.asked] == [times for _, times in other.asked]


def rates(**gflops: float) -> Products:
    """Products of libraries with these rates at every size."""
    return Products({name: lambda size, times, rate=rate: [rate] * times for name, rate in gflops.items()})


class FakeProcess:
    """Answers like a program whose windows take `seconds`, and notes when it was asked."""

    def __init__(self, name: str, seconds: float, order: list[str]) -> None:
        self.name, self.seconds, self.order = name, seconds, order

    def ask(self, do: str, **fields: object) -> dict[str, object]:
        self.order.append(f"{self.name} {do}")
        if do == "prepare":
            return {"way": "one-hot" if self.name == "pytorch" else "", "seconds": 0.1}
        if do == "run":
            return {"seconds": self.seconds * int(str(fields["windows"]))}
        return {"stages": {"output": 0.25, "softmax": 0.75}}


@pytest.fixture
def measured() -> tuple[list[Result], list[str]]:
    """One case, timed on two fakes."""
    order: list[str] = []
    fakes = {"gpurnn": FakeProcess("gpurnn", 0.5, order), "pytorch": FakeProcess("pytorch", 1.0, order)}
    return list(measure(fakes, [SMALL], rates(numpy=100.0), 0.5)), order


def test_programs_work_in_turn(measured: tuple[list[Result], list[str]]):
    runs = [entry for entry in measured[1] if entry.endswith("run")]
    assert len(runs) >= 10 and runs == ["gpurnn run", "pytorch run"] * (len(runs) // 2)


def test_json_holds_a_row_for_each_case_and_peer(measured: tuple[list[Result], list[str]]):
    products = rates(numpy=100.0, pytorch=125.0, gpurnn=80.0)
    written = json.loads(json.dumps(as_json(measured[0], products, {"threads": 2})))
    assert written["gemm_gflops"] == 100.0 and written["threads"] == 2
    assert written["products"] == {"numpy": 100.0, "pytorch": 125.0, "gpurnn": 80.0}
    assert written["best_product"] == {"gflops": 125.0, "by": "pytorch"}
    gflops = window_flops(SMALL) / 0.5 / 1e9
    assert written["rows"] == [
        {
            "cell": "lstm",
            "lanes": 2,
            "bptt": 3,
            "hidden": 4,
            "symbols": 5,
            "layers": 1,
            "peer": "pytorch",
            "ratio": 2.0,
            "ratio_low": 2.0,
            "ratio_high": 2.0,
            "tokens_per_second": 12.0,
            "gflops": pytest.approx(gflops),
            "share_of_gemm": pytest.approx(gflops / 100),
            "share_of_best": pytest.approx(gflops / 125),
            "way": "one-hot",
        }
    ]
    assert written["stages"][0]["seconds"] == {"output": 0.25, "softmax": 0.75}


def test_tables_say_what_was_measured(measured: tuple[list[Result], list[str]]):
    results = measured[0]
    head, row = report.main_table(results, ["pytorch"], 2 * results[0].gflops)
    assert head.split("  ")[-1] == "pytorch / gpurnn" and "of best" in head
    assert row.split() == [
        *str(SMALL).split(),
        "500.00",
        "12",
        "0.0",
        "50%",
        "2.00",
        "(2.00-2.00)",
        "pytorch:",
        "one-hot",
    ]
    assert list(report.summary(results, ["pytorch"])) == ["pytorch / gpurnn: geometric mean 2.00; at least: lstm 2.00"]
    head, stages = report.stage_table(results)
    assert head.split() == ["output", "softmax"] and stages.split()[-2:] == ["25.0%", "75.0%"]


def test_the_best_product_is_named_beside_the_rates_of_all():
    told = report.products_line(rates(numpy=100.0, pytorch=125.04, gpurnn=80.0))
    n = SIZES[0]
    assert told == (
        f"one large product in float32, GFLOP/s: numpy 100.0 ({n} x {n}), pytorch 125.0 ({n} x {n}), "
        f"gpurnn 80.0 ({n} x {n}); the best: pytorch"
    )


XEON = """processor\t: 0
model name\t: Some Xeon
flags\t\t: fpu avx avx2 avx512f avx512_bf16 amx_bf16

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd evtstrm\nCPU part\t: 0xd0c\n"


def test_a_processor_is_told_by_its_name_its_vectors_and_its_instructions():
    xeon = parse(XEON, "x86_64")
    assert xeon == Processor("Some Xeon", ("avx2", "avx512f", "avx512_bf16", "amx_bf16"))
    assert str(xeon) == "Some Xeon, vectors of 512 bits: avx2, avx512f, avx512_bf16, amx_bf16"
    assert str(parse(ARM, "aarch64")) == "aarch64, vectors of 128 bits: asimd"
    assert str(parse("", "arm")) == "arm"
    assert parse("", "arm").to_json() == {"name": "arm", "vector_bits": None, "instructions": []}


@pytest.mark.parametrize(
    ("flags", "multiplies"),
    [("avx512f avx512_bf16", True), ("avx2 amx_bf16", True), ("avx2 avx512f", False), ("", False)],
)
def test_bf16_is_timed_where_the_processor_multiplies_it(flags: str, multiplies: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(__main__, "processor", lambda: parse(f"flags: {flags}", "some"))
    assert __main__._offered() == ["gpurnn", "pytorch", "jax"] + multiplies * ["gpurnn-bf16", "pytorch-bf16"]


def test_this_processor_has_a_name():
    assert processor().name


def test_a_stage_lasts_until_the_next_begins():
    times = iter([0.0, 1.0, 3.0, 3.5, 10.0])
    clock = Clock(lambda: next(times))
    for stage in ("softmax", "output", "softmax", "feed"):
        clock.enter(stage)
    assert {s: t for s, t in clock.seconds.items() if t} == {"feed": 1.0, "softmax": 2.0 + 6.5, "output": 0.5}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("symbols", [5, 300])
@pytest.mark.parametrize("cell", cases.GATES)
def test_every_stage_of_a_window_is_seen(cell: str, symbols: int, compiled: bool, monkeypatch: pytest.MonkeyPatch):
    if not compiled:
        monkeypatch.setattr("gpurnn.backend.cpu._native", None)
    seconds = measure_stages(Case(cell, 2, 3, 4, symbols, 2), seconds=0.0)
    assert tuple(seconds) == STAGES
    assert all(spent > 0 for spent in seconds.values())


def test_difference_is_relative_to_the_largest_element():
    wanted = {"gradients": {"W": [[4.0, 0.0], [0.0, 1.0]]}, "losses": [2.0, 2.0]}
    found = {"gradients": {"W": [[4.0, 0.0], [0.0, 1.4]]}, "losses": [2.0, 2.1]}
    assert difference(wanted, wanted) == 0
    assert difference(wanted, found) == pytest.approx(0.1)
    assert difference(wanted, found | {"losses": [2.0, 3.0]}) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "found",
    [
        {"gradients": {"U": [1.0]}, "losses": [1.0]},
        {"gradients": {"W": [1.0, 1.0]}, "losses": [1.0]},
        {"gradients": {"W": [math.nan]}, "losses": [1.0]},
        {"gradients": {"W": [1.0]}, "losses": [math.inf]},
    ],
)
def test_difference_of_what_cannot_be_compared_is_infinite(found: dict):
    assert difference({"gradients": {"W": [1.0]}, "losses": [1.0]}, found) == math.inf


class Tracing:
    """Traces a program whose only gradient has this value."""

    def __init__(self, value: float) -> None:
        self.ways, self.value = [""], value

    def ask(self, do: str, **fields: object) -> dict[str, object]:
        return {"gradients": {"W": [self.value]}, "losses": [1.0]}


def test_a_check_allows_for_rounded_factors_where_they_are_rounded():
    found = list(check({"gpurnn": Tracing(1.0), "pytorch": Tracing(1.01), "pytorch-bf16": Tracing(1.01)}))
    assert {line.split(": ")[1].strip(): ok for ok, line in found} == {"pytorch": False, "pytorch-bf16": True}
    assert not any(ok for ok, _ in check({"gpurnn": Tracing(1.0), "pytorch-bf16": Tracing(1.1)}))
