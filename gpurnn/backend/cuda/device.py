"""What can be said of CUDA devices without using one."""

from __future__ import annotations

from gpurnn.exceptions import BackendError


def device_count() -> int:
    """How many CUDA devices there are; 0 where CuPy, the driver or a device is missing."""
    try:
        import cupy

        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception:
        return 0


def why_unusable() -> str:
    """What keeps CUDA from being used, in words; empty where nothing does."""
    try:
        import cupy
    except Exception as error:
        return f"CuPy cannot be imported ({_first_line(error)})"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        return f"CuPy finds no usable GPU ({_first_line(error)})"
    if not count:
        return "CuPy finds no GPU"
    try:
        from cupy_backends.cuda.libs import cublas, nvrtc

        nvrtc.getVersion()
        cublas.destroy(cublas.create())
    except Exception as error:
        return f"CuPy lacks its CUDA libraries ({_first_line(error)})"
    return ""


def checked_number(number: int) -> int:
    """`number`, if there is such a device; raises BackendError otherwise."""
    count = device_count()
    if not 0 <= number < count:
        there = ", ".join(f"cuda:{n}" for n in range(count)) or "none"
        raise BackendError(f"device 'cuda:{number}': there is no such GPU; found {there}")
    return number


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
