"""The report: JSON for programs, Markdown for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench_lib.cases import Case

from gpu_check_lib.measure import Row
from gpu_check_lib.sizes import WAYS, default_way

NO_TIMINGS = "emulated device: no timings"
_SIZES = ("cell", "B", "T", "H", "K", "L")
_LEGEND = """\
A window is forward, backward, clipping by the global norm and Adam, in float32. eager: the steps of a window launch by
launch; graph: the same as one CUDA graph; whole-window: all steps in one kernel, where the device can hold the weights.
"-": the device cannot go that way, or it was not measured."""
_COUNTS = """\
Asked of the device by one window after warm-up. kernels: launched one by one; what a graph does is one launch of it.
copies to: from the host; on: on the device, memsets too. waits: of the host, for the upload of two windows before."""
_TIMES = """\
Time from the end of a window to the end of the next (median, by events), and targets a second; each window comes from
the host within it. MiB: what the library's allocator took. PyTorch: cuDNN's modules, the faster of one-hot rows and
gathered rows; fused Adam. TF32 on: `--tf32` of gpurnn; torch.backends.cuda.matmul.allow_tf32 and
torch.backends.cudnn.allow_tf32 are true; off: both are false. PyTorch / gpurnn: how many times as long PyTorch takes as
what `gpurnn train` does (a graph; of whole-window kernels where they fit), whose MiB are given."""


def as_json(about: dict[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """about: everything but the rows."""
    note = {"note": NO_TIMINGS} if about["emulated"] else {}
    return {"format": 1, **note, **about, "rows": [row.as_json() for row in rows]}


def markdown(about: dict[str, Any], rows: Sequence[Row]) -> str:
    """about: what `as_json` takes."""
    lines = [f"# gpurnn on {about['device']['device']}", ""]
    if about["emulated"]:
        lines += [f"**{NO_TIMINGS}**; the counts are those of real CuPy and real kernels, run by the CPU.", ""]
    lines += [f"- {name}: {value}" for name, value in about["machine"].items() if value]
    lines += [f"- {name}: {versions}" for name, versions in about["programs"].items()]
    suite = about["suite"]
    lines += [f"- CuPy suite: {suite['summary']} (exit {suite['exit']})" if suite else "- CuPy suite: left out", ""]
    lines += [f"PROBLEM: {line}" for line in about["problems"]] + [""] * bool(about["problems"])
    lines += [_LEGEND, "", "## Launches", "", _COUNTS, "", *counts_table(rows), ""]
    lines += ["## Time and memory", "", _TIMES, "", *time_table(rows)]
    return "\n".join(lines) + "\n"


def counts_table(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each size and way of gpurnn; TF32 changes nothing here that it does not say."""
    cells = []
    for row in rows:
        if row.program == "gpurnn":
            counts, tf32 = row.counts or {}, "on" if row.tf32 else "off"
            numbers = [counts.get(name) for name in ("kernels", "graph_launches", "h2d")]
            numbers.append(counts["d2d"] + counts["memset"] if counts else None)
            numbers += [counts.get(name) for name in ("malloc", "sync")]
            cells.append([*_sizes(row.case), tf32, row.way, *(_number(n) for n in numbers)])
    head = [*_SIZES, "TF32", "way", "kernels", "graphs", "copies to", "on", "allocations", "waits"]
    return _table(head, cells)


def time_table(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each size and setting of TF32."""
    cells = []
    for case, tf32 in dict.fromkeys((row.case, row.tf32) for row in rows):
        here = [row for row in rows if (row.case, row.tf32) == (case, tf32) and row.possible]
        ours = {row.way: row for row in here if row.program == "gpurnn"}
        used = ours.get(default_way(ours))
        peers = [row for row in here if row.program == "pytorch" and row.seconds]
        peer = min(peers, key=lambda row: row.seconds or 0.0, default=None)
        cells.append(
            [
                *_sizes(case),
                "on" if tf32 else "off",
                *(_time(ours.get(way)) for way in WAYS),
                _mebibytes(used),
                f"{_time(peer)} ({peer.way})" if peer else "-",
                _mebibytes(peer),
                _ratio(peer, used),
            ]
        )
    return _table([*_SIZES, "TF32", *WAYS, "MiB", "PyTorch", "MiB", "PyTorch / gpurnn"], cells)


def _sizes(case: Case) -> list[str]:
    return [case.cell, *map(str, (case.lanes, case.bptt, case.hidden, case.symbols, case.layers))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _time(row: Row | None) -> str:
    if row is None or not row.seconds:
        return "-"
    return f"{1e3 * row.seconds:.3f} ms {row.tokens_per_second:,.0f}/s"


def _mebibytes(row: Row | None) -> str:
    return "-" if row is None or row.memory is None else f"{row.memory / 2**20:.0f}"


def _ratio(peer: Row | None, ours: Row | None) -> str:
    if peer is None or ours is None or not peer.seconds or not ours.seconds:
        return "-"
    return f"{peer.seconds / ours.seconds:.2f}"


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Markdown that can be read as it stands."""
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for line in (head, ["-" * width for width in widths], *cells):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
