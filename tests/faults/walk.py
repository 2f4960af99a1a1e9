"""A fault at every call that writes, one after another."""

import errno
import shutil
import signal
from pathlib import Path
from typing import Any

from faults.cases import Outcome, Scenario, run_child
from faults.shim import KILL, SHORT, TORN, Shim, resolve
from gpurnn.exceptions import GpurnnError

ACTIONS = {
    "kill": KILL,
    "torn": TORN,
    "short": SHORT,
    "EIO": errno.EIO,
    "ENOSPC": errno.ENOSPC,
    "EDQUOT": errno.EDQUOT,
    "EROFS": errno.EROFS,
    "EACCES": errno.EACCES,
}


def walk(scenario: str, actions: list[str], scratch: str, every: int = 1) -> dict[str, Any]:
    """Let each of `actions` happen at each call of the scenario's work, once, and then from that call on.

    actions: keys of ACTIONS. every: take only every so many-th call.

    Returns {"cases": children run, "fired": those in which the fault happened, "calls": of the work when nothing
    fails, "violations": one line each}.
    """
    chosen: Scenario = resolve(scenario)
    shim = Shim()
    template = Path(scratch) / "template"
    template.mkdir()
    chosen.prepare(template)
    report: dict[str, Any] = {"cases": 0, "fired": 0, "calls": 0, "violations": []}
    outcome = _one(chosen, shim, template, "kill", 0, False, report)
    report["calls"] = outcome.counted
    for action in actions:
        for sticky in (False, True) if ACTIONS[action] not in (KILL, TORN) else (False,):
            at = 1
            while True:
                outcome = _one(chosen, shim, template, action, at, sticky, report)
                if outcome.ending != "killed" and outcome.counted < at:
                    break
                report["fired"] += 1
                at += every
    return report


def _one(
    scenario: Scenario, shim: Shim, template: Path, action: str, at: int, sticky: bool, report: dict[str, Any]
) -> Outcome:
    folder = template.with_name("case")
    shutil.copytree(template, folder)
    outcome = run_child(scenario, folder, shim=shim, at=at, action=ACTIONS[action], sticky=sticky)
    report["cases"] += 1
    try:
        _judge(outcome, action)
        scenario.check(folder, outcome)
    except (AssertionError, GpurnnError) as exc:
        report["violations"].append(f"{action} {'from' if sticky else 'at'} call {at}: {exc}")
    shutil.rmtree(folder)
    return outcome


def _judge(outcome: Outcome, action: str) -> None:
    """Raises AssertionError unless the fault was survived or reported as it must be."""
    if outcome.ending == "killed":
        assert outcome.signal == signal.SIGKILL, f"died by signal {outcome.signal}"
        assert action in ("kill", "torn"), "killed without being told to"
        return
    assert outcome.ending != "crashed", outcome.text
    if outcome.fired and action != "short":
        assert outcome.ending == "reported" or outcome.warnings, "the fault was not reported"
    else:
        assert outcome.ending == "done", f"stopped without a fault: {outcome.text}"
    for line in (outcome.text, *outcome.warnings):
        assert "\n" not in line, f"more than one line: {line}"
        assert ".tmp" not in line, f"the name of a temporary file: {line}"
