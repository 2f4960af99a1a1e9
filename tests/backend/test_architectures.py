"""Every kernel, by NVIDIA's own compiler, for every architecture that it knows."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import gpurnn

ROOT = Path(gpurnn.__file__).parents[1]


def script(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "kernels"), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_kernels_compile_and_none_keeps_registers_in_memory(emulated: ModuleType) -> None:
    if importlib.util.find_spec("nvidia.cu13") is None:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc")
    assert script("--check").strip().endswith(", 0 spill")
