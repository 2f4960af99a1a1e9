"""Times every program on every case, in turn."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench_lib.cases import Case, window_flops
from bench_lib.process import Process
from bench_lib.products import Products
from bench_lib.stats import Ratio, ratio, warm_up, windows_in

ROUNDS = 11


@dataclass
class Result:
    """One case. seconds: of a window of gpurnn, the median. stages: seconds of a window, by stage.

    peers: how many times as long each took; ways: in which way.
    """

    case: Case
    seconds: float
    stages: dict[str, float]
    peers: dict[str, Ratio] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        """Targets a second."""
        return self.case.tokens / self.seconds

    @property
    def gflops(self) -> float:
        """Useful operations, see `window_flops`, in 10^9 a second."""
        return window_flops(self.case) / self.seconds / 1e9


def measure(
    processes: Mapping[str, Process], cases: list[Case], products: Products, slice_seconds: float
) -> Iterator[Result]:
    """A result for each case as soon as it is there.

    processes: by program, gpurnn among them. slice_seconds: how long a program computes at a time.
    """
    for case in cases:
        ready = {name: process.ask("prepare", case=asdict(case)) for name, process in processes.items()}
        times = alternate(processes, {name: reply["seconds"] for name, reply in ready.items()}, slice_seconds)
        products.again()
        ours = times.pop("gpurnn")
        stages = processes["gpurnn"].ask("stages", case=asdict(case))["stages"]
        peers = {peer: ratio(ours, theirs) for peer, theirs in times.items()}
        yield Result(
            case, statistics.median(ours), stages, peers, {name: reply["way"] for name, reply in ready.items()}
        )


def alternate(
    processes: Mapping[str, Process], about: Mapping[str, float], slice_seconds: float, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Seconds of a window by program, one value a round. about: by program, which are ready, what a window takes."""
    times: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            windows = windows_in(slice_seconds, about[name])
            spent = process.ask("run", windows=windows, warm=warm_up(about[name]))["seconds"]
            times[name].append(spent / windows)
    return times


def as_json(results: list[Result], products: Products, about: Mapping[str, Any]) -> dict[str, Any]:
    """What `--json` writes: the rates of large products, `rows` (one a case and peer), `stages` (one a case), `about`.

    products: NumPy's among them.
    """
    rates, best = products.gflops, products.best
    rows, stages = [], []
    for result in results:
        described = asdict(result.case)
        for peer, found in result.peers.items():
            rows.append(
                described
                | {
                    "peer": peer,
                    "ratio": found.median,
                    "ratio_low": found.low,
                    "ratio_high": found.high,
                    "tokens_per_second": result.tokens_per_second,
                    "gflops": result.gflops,
                    "share_of_gemm": result.gflops / rates["numpy"],
                    "share_of_best": result.gflops / rates[best],
                    "way": result.ways[peer],
                }
            )
        stages.append(described | {"seconds": result.stages})
    return {
        "gemm_gflops": rates["numpy"],
        "products": rates,
        "best_product": {"gflops": rates[best], "by": best},
        "rows": rows,
        "stages": stages,
        **about,
    }
