"""Device memory is out of the host's reach, fresh memory is NaN, streams are asynchronous, counters count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_host_cannot_touch_device_memory(emulated) -> None:
    done = in_a_new_process(
        "import cudahost; cudahost.activate()\n"
        "import ctypes, cupy, resource\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "a = cupy.zeros(4, 'f'); print('so far', flush=True)\n"
        "ctypes.c_float.from_address(a.data.ptr).value"
    )
    assert done.stdout == "so far\n"
    assert done.returncode < 0
    assert "the HOST touched device memory" in done.stderr


def test_activation_comes_before_cupy(emulated) -> None:
    done = in_a_new_process("import cupy, cudahost; cudahost.activate()")
    assert "activate() must come before the first import of cupy" in done.stderr


def test_fresh_memory_is_nan(emulated) -> None:
    import cupy

    with emulated.strict():
        assert np.isnan(cupy.empty(1000, "f").get()).all()
        assert np.isnan(cupy.empty(1000, "d").get()).all()


def test_more_memory_than_the_device_has(emulated) -> None:
    import cupy

    with pytest.raises(cupy.cuda.memory.OutOfMemoryError):
        cupy.empty(5 << 30, "u1")


def test_a_stream_that_does_not_wait_reads_nan(emulated) -> None:
    import cupy

    first, second = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    wanted = np.arange(1000, dtype="f") + 1
    with emulated.strict("forward"):
        with first:
            x = cupy.arange(1000, dtype="f")
        with second:
            too_early = (x + 1).get()
        with first:
            x = cupy.arange(1000, dtype="f")
            ready = first.record()
        second.wait_event(ready)
        with second:
            in_time = (x + 1).get()
    assert np.isnan(too_early).all()
    np.testing.assert_array_equal(in_time, wanted)


def test_pinned_memory_is_copied_when_the_stream_runs(emulated) -> None:
    import cupy
    import cupyx

    staging, back = cupyx.zeros_pinned(100, "f"), cupyx.zeros_pinned(100, "f")
    x = cupy.zeros(100, "f")
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    staging[:] = 1
    x.set(staging, stream=stream)
    staging[:] = 2  # too early: the copy has not happened yet
    x.get(out=back, stream=stream, blocking=False)
    assert (back == 0).all()
    stream.synchronize()
    assert (back == 2).all()


def test_events_measure_time(emulated) -> None:
    import cupy

    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    cupy.zeros(10, "f").sum()
    end.record()
    assert not end.done
    end.synchronize()
    assert end.done
    assert cupy.cuda.get_elapsed_time(begin, end) >= 0


def test_counters(emulated) -> None:
    import cupy

    x = cupy.zeros((8, 8), "f")
    out = cupy.empty_like(x)
    host = np.ones((8, 8), "f")
    cupy.add(x, x, out=out)
    cupy.cuda.Device().synchronize()
    emulated.reset_counters()
    cupy.add(x, x, out=out)
    cupy.matmul(x, x, out=out)
    x.set(host)
    x.get()
    cupy.cuda.get_current_stream().synchronize()
    counted = {name: n for name, n in emulated.counters().items() if n}
    waits = counted.pop("sync") + counted.pop("sync_memcpy")
    assert waits >= 2
    assert counted == {"kernels": 2, "blas": 1, "h2d": 1, "d2h": 1}
    with emulated.strict():
        emulated.reset_counters()
        cupy.empty(1000, "f")
        assert emulated.counters()["malloc"] == 1
        assert emulated.counters()["free"] == 1


def test_wrong_settings_are_refused(emulated) -> None:
    with pytest.raises(ValueError, match="expected one of forward, reverse, random; found 'backward'"):
        emulated.set_order("backward")
    with pytest.raises(ValueError, match="expected lazy or eager; found 'now'"):
        emulated.set_streams("now")
