"""Tables and a plot for people."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_lib.cases import GATES
from bench_lib.measure import Result
from bench_lib.products import Products
from bench_lib.stats import Ratio, geometric_mean
from gpurnn.files.durable import make_folder, write_durably
from gpurnn.files.output import find_folder


def products_line(products: Products) -> str:
    """Each library's rate of one large product, and whose is the best."""
    rates = products.gflops
    told = (f"{name} {rate:.1f} ({products.sizes[name]} x {products.sizes[name]})" for name, rate in rates.items())
    return f"one large product in float32, GFLOP/s: {', '.join(told)}; the best: {products.best}"


def main_table(results: Sequence[Result], peers: Sequence[str], best_gflops: float) -> Iterator[str]:
    """One line a case: our time and rates, and how many times as long each peer takes.

    best_gflops: the best rate of one large product.
    """
    heads = {peer: f"{peer + ' / gpurnn':>18}" for peer in peers}
    columns = "".join(f"  {head}" for head in heads.values())
    yield f"{'':<39}{'ms/window':>10}{'tokens/s':>11}{'GFLOP/s':>9}{'of best':>9}{columns}"
    for result in results:
        share = result.gflops / best_gflops
        line = f"{result.case!s:<39}{1e3 * result.seconds:>10.2f}{result.tokens_per_second:>11.0f}"
        line += f"{result.gflops:>9.1f}{share:>9.0%}"
        for peer, head in heads.items():
            line += f"  {_spread(result.peers[peer]):>{len(head)}}"
        yield line + "".join(f"  {peer}: {way}" for peer, way in result.ways.items() if way)


def _spread(found: Ratio) -> str:
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def summary(results: Sequence[Result], peers: Sequence[str]) -> Iterator[str]:
    """For each peer the geometric mean over all cases, and for each cell the least ratio."""
    for peer in peers:
        mean = geometric_mean([r.peers[peer].median for r in results])
        least = []
        for cell in GATES:
            ratios = [r.peers[peer].median for r in results if r.case.cell == cell]
            if ratios:
                least.append(f"{cell} {min(ratios):.2f}")
        yield f"{peer} / gpurnn: geometric mean {mean:.2f}; at least: {', '.join(least)}"


def stage_table(results: Sequence[Result]) -> Iterator[str]:
    """One line a case: the share of each stage in the time of one window of gpurnn."""
    names = list(results[0].stages)
    widths = [max(7, len(name) + 2) for name in names]
    yield f"{'':<39}" + "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    for result in results:
        total = sum(result.stages.values())
        shares = (result.stages[name] / total for name in names)
        yield f"{result.case!s:<39}" + "".join(f"{s:>{w}.1%}" for s, w in zip(shares, widths, strict=True))


def plot(results: Sequence[Result], peers: Sequence[str], best_gflops: float, path: Path) -> None:
    """A PNG: how many times as long the peers take, and our share of the best rate. Raises ImportError, OSError."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    width = max(6.0, 0.6 * len(results) + 2)
    figure, (above, below) = plt.subplots(2, 1, figsize=(width, 8), sharex=True, layout="constrained")
    places = range(len(results))
    room = 0.8 / max(1, len(peers))
    for number, peer in enumerate(peers):
        found = [r.peers[peer] for r in results]
        spread = [[f.median - f.low for f in found], [f.high - f.median for f in found]]
        at = [place + (number - (len(peers) - 1) / 2) * room for place in places]
        above.bar(at, [f.median for f in found], 0.95 * room, yerr=spread, capsize=2, label=peer)
    above.axhline(1, color="black", linewidth=1)
    above.set_ylabel("time of the peer / time of gpurnn")
    if peers:
        above.legend()
    below.bar(places, [r.gflops / best_gflops for r in results], 0.6, color="tab:gray")
    below.axhline(1, color="black", linewidth=1)
    below.set_ylabel(f"gpurnn, share of the best\nlarge product ({best_gflops:.0f} GFLOP/s)")
    below.set_xticks(places, [str(r.case) for r in results], rotation=60, ha="right", fontsize=8)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    plt.close(figure)
    make_folder(find_folder(path.parent))
    write_durably(path, [drawn.getbuffer()])
