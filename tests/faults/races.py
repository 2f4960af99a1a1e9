"""Two processes on one run directory: one writes, the other is told so."""

import os
import re
import select
from pathlib import Path
from typing import Any

from faults.training import prepare_run, refuse
from gpurnn import backend
from gpurnn.exceptions import RunError
from gpurnn.training.config import Limits
from gpurnn.training.session import resumed_run

TOLD = re.compile(r".* is being written by (process [0-9]+ on \S+|another process): wait for its end, or stop it")


def race(count: int, scratch: str) -> dict[str, Any]:
    """Let two processes go on with one run at once, `count` times; the winner goes on until the other is told.

    Returns {"cases", "violations"}.
    """
    folder = Path(scratch) / "raced"
    folder.mkdir()
    prepare_run(folder)
    violations = []
    for number in range(count):
        told = sorted(_race(folder))
        if len(told) != 2 or told[1] != "won" or not TOLD.fullmatch(told[0]):
            violations.append(f"race {number}: {told}")
    window = resumed_run(backend.get("cpu"), folder / "run", refuse).learner.progress.windows
    if window != 2 + count:
        violations.append(f"{count} winners of one window each ended at window {window}")
    return {"cases": count, "violations": violations}


def _race(folder: Path) -> list[str]:
    start, go = os.pipe()
    hold, release = os.pipe()
    readers = []
    for _ in range(2):
        reader, writer = os.pipe()
        if os.fork() == 0:
            _contend(folder, start, hold, writer)
        os.close(writer)
        readers.append(reader)
    os.close(start)
    os.close(hold)
    os.write(go, b"xx")
    told = []
    while readers:
        for reader in select.select(readers, [], [], 60)[0]:
            text = os.read(reader, 4096).decode()
            if text:
                told.append(text)
                if text != "won":
                    os.write(release, b"x")  # for the winner, which waits at its first window until the other was told
            else:
                readers.remove(reader)
                os.close(reader)
    for descriptor in (go, release):
        os.close(descriptor)
    for _ in range(2):
        os.wait()
    return told


def _contend(folder: Path, start: int, hold: int, writer: int) -> None:
    text = "crashed"
    try:
        trainer = resumed_run(backend.get("cpu"), folder / "run", refuse)
        os.read(start, 1)
        trainer.run(
            Limits(windows=trainer.learner.progress.windows + 1), on_window=lambda learner: bool(os.read(hold, 1))
        )
        text = "won"
    except RunError as error:
        text = str(error)
    finally:
        os.write(writer, text.encode())
        os._exit(0)
