"""Is there a real CUDA device? Run as a script it prints the CUDA version of its driver, or nothing."""

from __future__ import annotations

import ctypes
import subprocess
import sys


def real_driver() -> str:
    """The CUDA version that the driver of a real GPU supports, such as "13.0"; empty without a GPU.

    Asked in a process of its own, so that libcuda does not stay loaded in this one.
    """
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _ask() -> str:
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ""
    count, version = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return ""
    cuda.cuDriverGetVersion(ctypes.byref(version))
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


if __name__ == "__main__":
    print(_ask())
