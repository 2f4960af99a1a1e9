"""Two devices: every use of a backend works on its own one, whatever the calling thread used before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from gpurnn.backend import Backend

HERE = Path(__file__).resolve().parent


def test_every_use_works_on_its_own_device_by_turns_and_in_threads(emulated: ModuleType) -> None:
    paths = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
    done = subprocess.run(
        [sys.executable, str(HERE / "two_devices.py")],
        env=os.environ | {"PYTHONPATH": paths, "CUDAHOST_DEVICES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr


def test_every_public_method_of_the_contract_makes_its_device_current(cuda: Backend) -> None:
    for name in vars(Backend):
        if not name.startswith("_") and callable(getattr(Backend, name)):
            assert hasattr(getattr(type(cuda), name), "__wrapped__"), name
