"""The long run of the fault injection: figures for people, and for a JSON file that several runs may add to."""

import argparse
import json
import os
import platform
import sys
import textwrap
import time
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.points import POINTS
from faults.shim import Unavailable
from faults.tally import Tally, share
from gpurnn.exceptions import UsageError
from gpurnn.files.durable import write_durably
from gpurnn.files.errors import explain
from gpurnn.files.output import find_output


def main() -> int:
    """Run the points that the command line asks for; returns the exit code."""
    options = _options()
    kept: dict[str, Any] = json.loads(options.json.read_bytes()) if options.json and options.json.exists() else {}
    short = []
    for key in options.only or POINTS:
        before = kept.get(key)
        seed = options.seed if options.seed is not None else 1 + len(before["runs"] if before else [])
        entry, tally = _run(key, seed, options.scale)
        kept[key] = _merged(before, entry) if before else entry
        missing = _short(key, tally.counts, tally.fixed, options.scale) + tally.violations
        kept[key]["met"] = not _short(key, kept[key]["counts"], kept[key]["fixed"], 1) + kept[key]["violations"]
        _show(key, entry, missing)
        short += missing
        if options.json:
            ordered = {name: kept[name] for name in POINTS if name in kept}
            write_durably(options.json, [json.dumps(ordered, indent=1).encode(), b"\n"])
    return 1 if short else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the figures to FILE, one key a point")
    parser.add_argument("--only", action="append", choices=list(POINTS), metavar="N", help="only point N; repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts; lists are run whole (default 1)")
    parser.add_argument("--seed", type=int, help="of everything random (default: another one for each run in FILE)")
    options = parser.parse_args()
    if not 0 < options.scale <= 1:
        parser.error(f"--scale {options.scale}: expected more than 0, at most 1")
    try:
        if options.json:
            find_output(options.json)
    except (OSError, UsageError) as error:
        parser.error(f"--json {options.json}: {explain(error) if isinstance(error, OSError) else error}")
    return options


def _run(key: str, seed: int, scale: float) -> tuple[dict[str, Any], Tally]:
    """Run one point; its entry for the file, and what it counted."""
    tally, began = Tally(seed, scale), time.monotonic()
    try:
        POINTS[key].work(tally)
    except Unavailable as exc:
        tally.violations.append(f"could not be run: {exc}")
    except RuntimeError as exc:  # a process of the harness failed
        tally.violations.append(str(exc).strip().splitlines()[-1])
    run = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "seed": seed,
        "scale": scale,
        "seconds": round(time.monotonic() - began, 1),
    }
    parts = {name: getattr(tally, name) for name in ("counts", "fixed", "peaks", "facts", "violations")}
    return {"title": POINTS[key].title, **parts, "runs": [run]}, tally


def _merged(before: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Two entries as one: counts add up, of lists and peaks the larger figure stays."""
    return {
        "title": entry["title"],
        "counts": before["counts"] | {n: v + before["counts"].get(n, 0) for n, v in entry["counts"].items()},
        "fixed": before["fixed"] | {n: max(v, before["fixed"].get(n, 0)) for n, v in entry["fixed"].items()},
        "peaks": before["peaks"] | {n: max(v, before["peaks"].get(n, 0)) for n, v in entry["peaks"].items()},
        "facts": before["facts"] | entry["facts"],
        "violations": before["violations"] + entry["violations"],
        "runs": before["runs"] + entry["runs"],
    }


def _short(key: str, counts: dict[str, int], fixed: dict[str, int], scale: float) -> list[str]:
    """What a point lacks at this scale."""
    point = POINTS[key]
    wanted = [(counts, name, share(least, scale)) for name, least in point.needed.items()]
    wanted += [(fixed, name, least) for name, least in point.fixed.items()]
    return [
        f"{name}: {found.get(name, 0)}, expected {least}" for found, name, least in wanted if found.get(name, 0) < least
    ]


def _show(key: str, entry: dict[str, Any], missing: list[str]) -> None:
    """A few lines for people."""
    run = entry["runs"][-1]
    told = "falls short" if missing else f"{len(entry['violations'])} violations"
    print(f"{key:>2}  {entry['title']:<54}{told:<14}{run['seconds']:>8.0f} s")
    for name, value in (entry["counts"] | entry["fixed"]).items():
        print(f"      {name:<58}{value:>12,}")
    for name, value in entry["peaks"].items():
        print(f"      {name:<58}{value / 2**20:>8.1f} MiB")
    kinds = "; ".join(f"{kind}: {count}" for kind, count in entry["facts"].get("kinds", {}).items())
    if kinds:
        print(textwrap.fill(kinds, 120, initial_indent=" " * 6, subsequent_indent=" " * 6))
    for line in missing[:20]:
        print(f"      ! {line}")
    sys.stdout.flush()


def machine() -> str:
    """What the figures were taken on, in one line."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    libraries = f"Python {platform.python_version()}, NumPy {np.__version__}, h5py {h5py.__version__}"
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; {libraries}"


if __name__ == "__main__":
    sys.exit(main())
