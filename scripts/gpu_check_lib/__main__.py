"""The command behind `scripts/gpu_check`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench_lib.outputs import output_folder
from bench_lib.process import ProgramError

from gpu_check_lib import machine, report, sizes, suite
from gpu_check_lib.measure import Asked, Row, measure, started
from gpurnn.files.durable import make_folder, write_durably
from gpurnn.files.errors import explain
from gpurnn.files.output import find_folder

_USAGE = "%(prog)s [-h] [--smoke] [--skip-tests] [--no-install] [--output DIR]"
_OUTPUT = machine.ROOT / "runs" / "gpu_check"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_check", usage=_USAGE)
    parser.add_argument("--smoke", action="store_true", help="small sizes on the emulated device, without timings")
    parser.add_argument("--skip-tests", action="store_true", help="leave the CuPy suite out")
    parser.add_argument("--output", type=output_folder, default=str(_OUTPUT), help="where the report goes")
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that may have torch")
    given = parser.parse_args(arguments)
    try:
        return _check(given)
    except ProgramError as error:
        print(f"scripts/gpu_check: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # of a file that is written
        print(f"scripts/gpu_check: {error.filename}: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _check(given: argparse.Namespace) -> int:
    problems: list[str] = []
    with ExitStack() as stack:
        ours = stack.enter_context(started("gpurnn", sys.executable, emulated=given.smoke))
        if not ours.ways:
            raise ProgramError(ours.versions)
        device = ours.ask("describe")
        ours.close()  # while the tests run nobody else holds memory of the device
        tested = None if given.skip_tests else suite.run()
        if tested and tested["exit"]:
            problems.append(f"the CuPy suite failed: {tested['summary']}")
        peer, peer_versions = _peer(stack, given)
        programs = {"gpurnn": ours.versions, "pytorch": peer_versions}
        for name, versions in programs.items():
            print(f"{name}: {versions}", flush=True)
        plan = sizes.smoke() if given.smoke else sizes.full()
        rows = list(measure([ours, *peer], plan, problems.append))
    about = {
        "emulated": given.smoke,
        "machine": machine.describe(),
        "device": device,
        "programs": programs,
        "suite": tested,
        "problems": problems,
    }
    return _write(given.output, "smoke" if given.smoke else "report", about, rows)


def _peer(stack: ExitStack, given: argparse.Namespace) -> tuple[list[Asked], str]:
    """PyTorch, where it is there and finds a GPU; and what there is, in words."""
    try:
        peer = stack.enter_context(started("pytorch", given.peer_python, emulated=given.smoke))
    except ProgramError as error:
        return [], f"not compared: {str(error).removeprefix('pytorch: ')} ({given.peer_python})"
    if not peer.ways:
        return [], f"not compared: {peer.versions} ({given.peer_python})"
    return [peer], peer.versions


def _write(folder: Path, name: str, about: dict[str, Any], rows: list[Row]) -> int:
    """The two files, the table on the screen, and the exit code."""
    make_folder(find_folder(folder))
    data, table = folder / f"{name}.json", folder / f"{name}.md"
    write_durably(data, [json.dumps(report.as_json(about, rows), indent=1).encode(), b"\n"])
    text = report.markdown(about, rows)
    write_durably(table, [text.encode()])
    print(f"\n{text}", flush=True)
    problems = about["problems"]
    if problems:
        more = f" (and {len(problems) - 1} more, in the report)" if len(problems) > 1 else ""
        print(f"scripts/gpu_check: {problems[0]}{more}", file=sys.stderr, flush=True)
    print(f"attach to a report: {data} and {table}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
