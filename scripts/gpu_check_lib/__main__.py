"""The command behind `scripts/gpu_check`."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from bench_lib.outputs import output_folder

from gpu_check_lib import machine, model, plan
from gpu_check_lib.model import Gpu
from gpu_check_lib.report import Report
from gpu_check_lib.row import Context, Row
from gpu_check_lib.running import run
from gpu_check_lib.saying import say
from gpurnn.files.errors import explain

_USAGE = "%(prog)s [-h] [--smoke] [--minutes N] [--rows A,B] [--list] [--skip-tests] [--no-install] [--output DIR]"
_OUTPUT = machine.ROOT / "runs" / "gpu_check"
_DEFAULT_GPU = model.GPUS["H100"]  # for the estimates until the card is known, and where the model does not know it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; returns the exit code."""
    given = _parse(arguments)
    try:
        planned = partial(_planned, given)
        rows = planned(_DEFAULT_GPU)
    except ValueError as error:
        print(f"scripts/gpu_check: {error}", file=sys.stderr)
        return 2
    if given.list:
        _list(rows)
        return 0
    report = Report(given.output, "smoke" if given.smoke else "report", given.smoke, given.minutes)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        check(planned, report, Context(given.smoke, given.peer_python))
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of the report
        print(f"scripts/gpu_check: {error.filename}: {explain(error)}", file=sys.stderr)
        return 1
    return _tell(report)


def check(planned: Callable[[Gpu], Sequence[Row]], report: Report, context: Context) -> None:
    """Answer the rows one after the other, as far as the time goes; the report is whole after each.

    planned: the rows, as estimated for a card; the first finds out which one it is.
    """
    report.write()
    end = time.monotonic() + 60 * report.minutes
    unusable, rows, number = "", planned(_DEFAULT_GPU), 0
    while number < len(rows):
        row, number = rows[number], number + 1
        say(f"== {row.name} ({number} of {len(rows)}, about {row.estimate:.0f} s): {row.asks}")
        left = end - time.monotonic()
        if unusable and row.needs_gpu:
            found = _left_out(row, f"gpurnn cannot use the device: {unusable}")
        elif row.estimate > left and not context.emulated:
            found = _left_out(
                row, f"it takes about {row.estimate:.0f} s, {max(0, left):.0f} s are left; --minutes gives more"
            )
        else:
            found = run(row, context)
        if row.name == "environment":
            context = Context(context.emulated, context.peer_python, found)
            unusable = found["reason"] if found["status"] == "failed" else ""
            name = (found.get("device") or {}).get("device", "")
            rows = planned(model.gpu_named(name) or _DEFAULT_GPU)
        report.add(found)
        say(f"   {found['status'].replace('_', ' ')}{_because(found)}")
    report.complete = True
    report.write()


def _planned(given: argparse.Namespace, gpu: Gpu) -> list[Row]:
    return chosen((plan.smoke if given.smoke else plan.rows)(gpu), given.rows, given.skip_tests)


def chosen(rows: Sequence[Row], names: Sequence[str] | None, skip_tests: bool) -> list[Row]:
    """The rows to answer; `environment` is always among them. Raises ValueError for a name that none has."""
    unknown = sorted(set(names or ()) - {row.name for row in rows})
    if unknown:
        raise ValueError(f"--rows: no row is called {', '.join(unknown)}; --list shows them")
    wanted = None if names is None else {"environment", *names}
    return [row for row in rows if (wanted is None or row.name in wanted) and not (skip_tests and row.tests)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/gpu_check", usage=_USAGE)
    parser.add_argument("--smoke", action="store_true", help="small sizes on the emulated device, without timings")
    parser.add_argument("--minutes", type=_minutes, default=10.0, help="how long it may take")
    parser.add_argument("--rows", type=lambda text: text.split(","), help="only these, by name, with commas between")
    parser.add_argument("--list", action="store_true", help="show the rows and do nothing")
    parser.add_argument("--skip-tests", action="store_true", help="leave the test suite out")
    parser.add_argument("--output", type=output_folder, default=str(_OUTPUT), help="where the report goes")
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that may have torch")
    return parser.parse_args(arguments)


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected more than 0, found {text}")
    return value


def _list(rows: Sequence[Row]) -> None:
    """A line for each row, with the minutes after which it should be done."""
    spent = 0.0
    for row in rows:
        spent += row.estimate
        say(f"{row.name:<24}{row.estimate:>6.0f} s  {spent / 60:>5.1f} min  {row.asks}")


def _left_out(row: Row, reason: str) -> dict[str, Any]:
    return {"name": row.name, "seconds": 0.0, "status": "left_out", "reason": reason}


def _because(found: dict[str, Any]) -> str:
    return f": {found['reason']}" if found["reason"] else ""


def _tell(report: Report) -> int:
    """The report on the screen, what went wrong in one line, and the exit code."""
    say(f"\n{report.markdown()}")
    problems = report.problems()
    if problems:
        more = f" (and {len(problems) - 1} more, in the report)" if len(problems) > 1 else ""
        print(f"scripts/gpu_check: {problems[0]}{more}", file=sys.stderr, flush=True)
    say(f"attach to a report: {report.data} and {report.text}")
    return 1 if any(row["status"] == "failed" for row in report.rows) else 0


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
