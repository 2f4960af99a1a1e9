"""Predictions that are killed or stopped: what came out is the beginning of what comes otherwise."""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import gpurnn
from faults.cases import Context, Outcome, Scenario, run_child
from gpurnn.signals import NOTHING_LOST, end_at_once

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_LINES, _FILES = 4000, 40
_WORDS = ("good", "bad", "so", "film", "Ann", "Rome", "é", "runs")


def _write(folder: Path, kind: str, chance: random.Random) -> None:
    """A table to learn from, and a file to predict; of frames lists, and the files that they name."""
    if kind == "frames":
        _write_frames(folder, chance)
        return
    texts = [" ".join(chance.choices(_WORDS, k=chance.randint(1, 12))) for _ in range(_LINES)]
    if kind == "labels":
        (folder / "train").write_text("".join(f"{'ab'[len(text) % 2]}\t{text}\n" for text in texts[:200]))
        (folder / "file").write_text("".join(f"{text}\n" for text in texts))
        return
    told = "\n".join("".join(f"{word} {'B-X' if word in _WORDS[4:6] else 'O'}\n" for word in t.split()) for t in texts)
    (folder / "train").write_text("\n\n".join(told.split("\n\n")[:200]) + "\n")
    (folder / "file").write_text("\n".join("".join(f"{word}\n" for word in text.split()) for text in texts))


def _write_frames(folder: Path, chance: random.Random) -> None:
    draw = np.random.default_rng(chance.randrange(2**32))
    for number in range(_FILES):
        np.save(folder / f"{number}.npy", draw.normal(size=(int(draw.integers(20, 60)), 3)).astype(np.float32))
    (folder / "train").write_text("".join(f"{n}.npy\t{'ab'[n % 2] * (1 + n % 3)}\n" for n in range(_FILES)))
    (folder / "file").write_text("".join(f"{chance.randrange(_FILES)}.npy\n" for _ in range(_LINES)))


def _predict(folder: Path, context: Context) -> None:
    """The command in this process, its output in a file; marks the exit code."""
    from gpurnn.cli import main

    os.dup2(os.open(folder / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    end_at_once(NOTHING_LOST)
    context.ready()
    sys.argv = ["gpurnn", "predict", str(folder / "run"), str(folder / "file"), "--device", "cpu"]
    try:
        main(prog_name="gpurnn")
    except SystemExit as end:
        context.mark(f"exit {end.code}")


_WORK = Scenario(lambda folder: None, _predict, lambda folder, outcome: None)


def strike(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Kill or stop predictions of labels, tags and frames, `count` in all, each after a random part of what they take.

    Returns {"cases", "cut": that had not come to their end, "violations"}.
    """
    chance = random.Random(seed)
    report: dict[str, Any] = {"cases": count, "cut": 0, "violations": []}
    kinds = ("labels", "tags", "frames")
    for number, kind in enumerate(kinds):
        folder = Path(scratch) / kind
        folder.mkdir()
        _write(folder, kind, chance)
        column = {"label_column": "first"} if kind == "labels" else {}
        gpurnn.prepare(folder / "train", folder / "c.h5", **{kind: True}, **column)
        gpurnn.train(folder / "c.h5", folder / "run", device="cpu", hidden=16, windows=5, lanes=4)
        began = time.monotonic()
        outcome = run_child(_WORK, folder)
        took, whole = time.monotonic() - began, (folder / "out").read_bytes()
        assert outcome.marks == ["exit 0"], outcome
        for case in range(count * number // len(kinds), count * (number + 1) // len(kinds)):
            sent = chance.choice(SIGNALS)
            outcome = run_child(_WORK, folder, send=(chance.uniform(0, took), sent))
            try:
                report["cut"] += _check(outcome, sent, (folder / "out").read_bytes(), whole)
            except AssertionError as exc:
                report["violations"].append(f"{kind}, case {case}, {sent.name}: {exc}")
    return report


def _check(outcome: Outcome, sent: signal.Signals, found: bytes, whole: bytes) -> bool:
    """Whether it was cut. Raises AssertionError where it is not what it has to be."""
    assert whole.startswith(found), f"other output: {found[-100:]!r}"
    if outcome.marks == ["exit 0"]:
        assert found == whole, "it ended well, and not all came out"
        return False
    if sent == signal.SIGKILL:
        assert outcome.signal == sent, f"{outcome.ending}: {outcome.text}"
        return True
    ended = outcome.marks or [f"exit {outcome.code}"]
    assert ended == [f"exit {128 + sent}"], f"{outcome.ending}, {ended}: {outcome.text}"
    assert found[-1:] in (b"", b"\n"), f"half a line: {found[-100:]!r}"
    return True
