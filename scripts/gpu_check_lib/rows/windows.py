"""Training windows of one size: gpurnn, and PyTorch as its users run it, in paired rounds."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from bench_lib.cases import Case
from bench_lib.process import ProgramError
from bench_lib.stats import ratio

from gpu_check_lib import model
from gpu_check_lib.programs import Asked, peer, started
from gpu_check_lib.row import Context
from gpu_check_lib.ways import GRAPH, WAYS, WHOLE_GRAPH

ROUNDS = 7
SLICE = 0.15
"""Seconds that a variant computes at a time."""
_LEAST_WINDOWS, _MOST_WINDOWS = 3, 2000

_Found = dict[str, Any]


def compare(context: Context, *, case: Mapping[str, Any]) -> dict[str, Any]:
    """Times of a window in each variant, beside what the model says. `path` and `why`: how gpurnn ran its steps."""
    size = Case(**case)
    with ExitStack() as stack:
        ours = stack.enter_context(started("gpurnn", sys.executable, emulated=context.emulated))
        torch, versions = stack.enter_context(peer(context))
        variants = {"float32": _ours(ours, "float32", size, False), "TF32": _ours(ours, "TF32", size, True)}
        asked = dict.fromkeys(variants, ours)
        if torch is not None:
            address = context.device.get("pci_address", "")
            for way in torch.ways:
                name = f"PyTorch {way}"
                asked[name] = torch
                variants[name] = _prepared(torch, name, case=asdict(size), way=way, clock=address)
        ready = {name: found for name, found in variants.items() if found["possible"]}
        times = _rounds({name: asked[name] for name in ready}, emulated=context.emulated)
    for name, spent in times.items():
        ready[name] |= _timed(spent, times["float32"], size)
    _beside_model(ready, size, context)
    return {"case": asdict(size), "rounds": len(next(iter(times.values()))), "pytorch": versions, "variants": variants}


def launches(context: Context, *, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What one window asks of the device, at each size in each way that gpurnn has."""
    rows = []
    with started("gpurnn", sys.executable, emulated=context.emulated) as ours:
        for case in cases:
            for way in WAYS:
                row = {**case, "way": way, **ours.ask("prepare", variant=way, case=dict(case), way=way, tf32=False)}
                if row["possible"]:
                    row |= ours.ask("count", variant=way)
                    _check_graphs(row)
                rows.append(row)
                ours.ask("release")
    return {"launches": rows}


def _check_graphs(row: _Found) -> None:
    launched = row["counts"]["graph_launches"]
    if row["way"] in (GRAPH, WHOLE_GRAPH) and launched != 1:
        why = "; ".join(row["warnings"]) or "nothing says why"
        raise RuntimeError(f"{row['way']}: expected one graph launch a window, found {launched:g} ({why})")


def _ours(ours: Asked, name: str, case: Case, tf32: bool) -> _Found:
    """What `gpurnn train` does: a graph of persistent kernels where they fit, else of the loop."""
    found = _prepared(ours, name, case=asdict(case), way=WHOLE_GRAPH, tf32=tf32)
    if found["possible"] or "error" in found:
        return found
    loop = _prepared(ours, name, case=asdict(case), way=GRAPH, tf32=tf32)
    return loop | {"why": found["why"]}


def _prepared(program: Asked, name: str, **fields: Any) -> _Found:
    """What the program says of a variant; where it fails, that is the variant's error."""
    try:
        return program.ask("prepare", variant=name, **fields)
    except ProgramError as error:
        return {"possible": False, "error": str(error)}


def _rounds(asked: Mapping[str, Asked], *, emulated: bool) -> dict[str, list[float | None]]:
    """Seconds of a window by variant, one value a round: whatever slows a whole round cancels in a ratio."""
    windows = dict.fromkeys(asked, _LEAST_WINDOWS)
    times: dict[str, list[float | None]] = {name: [] for name in asked}
    for number in range(1 if emulated else ROUNDS + 1):
        for name, program in asked.items():
            spent = program.ask("run", variant=name, windows=windows[name])["seconds"]
            if number or emulated:  # the first says how many windows fill a slice
                times[name].append(spent)
            elif spent:
                windows[name] = min(max(_LEAST_WINDOWS, round(SLICE / spent)), _MOST_WINDOWS)
    return times


def _timed(spent: list[float | None], float32: list[float | None], case: Case) -> _Found:
    """Median and spread of a variant's rounds, and how many times as long as gpurnn in float32 it took."""
    seconds = [second for second in spent if second is not None]
    if not seconds:
        return {"seconds": None}
    median = statistics.median(seconds)
    found: _Found = {"seconds": median, "low": min(seconds), "high": max(seconds)}
    found["tokens_per_second"] = case.tokens / median
    ours = [second for second in float32 if second is not None]
    if len(ours) == len(seconds):
        compared = ratio(ours, seconds)
        found["times_float32"] = {"median": compared.median, "low": compared.low, "high": compared.high}
    return found


def _beside_model(variants: Mapping[str, _Found], case: Case, context: Context) -> None:
    """Add to gpurnn's variants what the model expects on this card, where it knows it."""
    gpu = model.gpu_named(context.device.get("device", {}).get("device", ""))
    for name, tf32 in (("float32", False), ("TF32", True)):
        if gpu is None or name not in variants:
            continue
        expected = model.window(case, gpu, tf32=tf32)
        measured = variants[name]["seconds"]
        variants[name]["model"] = {
            "path": expected.path,
            "seconds": expected.seconds,
            "low": expected.low,
            "high": expected.high,
            "measured_over_model": measured / expected.seconds if measured else None,
        }
