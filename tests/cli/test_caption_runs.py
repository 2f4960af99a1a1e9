"""A model of captions, from the files of a user to the texts that it makes, by the command line alone."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gpurnn.cli.main import main
from tests import kinds

LAYOUTS = {
    "whole": "--bptt 32 --lanes 4",
    "through, cut at half of a word": "--layout through --bptt 3 --lanes 4",
    "with its own symbols": "--bptt 32 --lanes 4 --scheduled-sampling 0.3",
}


def run(command: str) -> str:
    done = CliRunner().invoke(
        main, [*shlex.split(command), *(() if command.startswith("prep") else ("--device", "cpu"))]
    )
    assert done.exit_code == 0, (command, done.output)
    return done.stdout


@pytest.mark.parametrize("how", LAYOUTS)
def test_captions_are_learnt_measured_and_made(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two numbers, and which of them is larger, in letters."""
    monkeypatch.chdir(tmp_path)
    right = kinds.sides(random.Random(1), tmp_path)
    Path("test.txt").write_text("".join(f"{word}\n" for word in right))
    np.save("all.npy", np.concatenate([np.load("vectors.npy"), np.load("asked.npy")]))
    run("prepare train.txt --test test.txt --vectors all.npy -o captions.h5")
    windows = 250 if "through" in how else 70
    run(
        f"train captions.h5 -o run {LAYOUTS[how]} --windows {windows} --hidden 16 --lr 0.02 --dropout 0 "
        "--validate-every 0"
    )
    told = json.loads(CliRunner().invoke(main, ["info", "run", "--json"]).stdout)["training"]
    assert told.get("layout") == ("through" if "through" in how else None)
    assert told.get("scheduled_sampling") == (0.3 if "own" in how else None)
    found = json.loads(run("evaluate run --split test --json"))
    made = run("predict run asked.npy").splitlines()
    share = sum(a == b for a, b in zip(made, right, strict=True)) / len(right)
    assert found["pairs"] == len(right) and found["exact"] == pytest.approx(share) and share >= 0.9
    best = [run(f"sample run --vector asked.npy --row {row} --temperature 0").rstrip("\n") for row in (0, 17)]
    assert best == [made[0], made[17]]
    drawn = {run(f"sample run --vector asked.npy --row 3 --seed {seed} --temperature 3").strip() for seed in range(6)}
    assert len(drawn) > 2
