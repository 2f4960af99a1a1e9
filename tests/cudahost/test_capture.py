"""Stream capture and graphs: what CUDA allows works, what it refuses is refused."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

H, B, STEPS = 64, 8, 5


class Gemm:
    """A cuBLAS handle past CuPy, which refuses cuBLAS during a capture. `gemm(a, b, out)`: out = a @ b, float32."""

    def __init__(self) -> None:
        import cupy
        from cupy_backends.cuda.libs import cublas  # noqa: F401  loads the library

        self.cublas = ctypes.CDLL("libcublas.so.13")
        self.handle = ctypes.c_void_p()
        assert self.cublas.cublasCreate_v2(ctypes.byref(self.handle)) == 0
        self.workspace = cupy.empty(32 << 20, "u1")
        workspace = ctypes.c_void_p(self.workspace.data.ptr), ctypes.c_size_t(self.workspace.nbytes)
        assert self.cublas.cublasSetWorkspace_v2(self.handle, *workspace) == 0

    def __call__(self, a, b, out) -> None:
        import cupy

        (m, k), n = a.shape, b.shape[1]
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        a, b, out = (ctypes.c_void_p(array.data.ptr) for array in (a, b, out))
        stream = ctypes.c_void_p(cupy.cuda.get_current_stream().ptr)
        assert self.cublas.cublasSetStream_v2(self.handle, stream) == 0
        done = self.cublas.cublasSgemm_v2(  # row-major: out' = b' a'
            self.handle, 0, 0, n, m, k, ctypes.byref(one), b, n, a, k, ctypes.byref(zero), out, n
        )
        assert done == 0


@pytest.fixture
def recurrence():
    """W and x on the host, a function that puts STEPS recurrent steps into a stream, and its staging and state."""
    import cupy
    import cupyx

    rng = np.random.default_rng(0)
    W, x = (rng.standard_normal(shape).astype("f") * np.float32(0.2) for shape in ((H, H), (B, H)))
    dW, dx, h, a = cupy.asarray(W), cupy.empty((B, H), "f"), cupy.zeros((B, H), "f"), cupy.empty((B, H), "f")
    staging = cupyx.empty_pinned((B, H), "f")
    staging[:] = x
    gemm = Gemm()

    def steps(stream) -> None:
        runtime = cupy.cuda.runtime
        runtime.memcpyAsync(dx.data.ptr, staging.ctypes.data, staging.nbytes, runtime.memcpyHostToDevice, stream.ptr)
        for _ in range(STEPS):
            gemm(h, dW, a)
            cupy.add(a, dx, out=a)
            cupy.tanh(a, out=h)

    return W, x, steps, staging, h


def host_steps(W: np.ndarray, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    for _ in range(STEPS):
        h = np.tanh(h @ W + x)
    return h


def test_a_graph_repeats_copies_gemms_and_kernels(emulated, recurrence) -> None:
    import cupy

    W, x, steps, staging, h = recurrence
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        steps(stream)  # loads the kernels
        eager = h.get(stream=stream)
        h.fill(0)
        stream.begin_capture()
        steps(stream)
        graph = stream.end_capture()
        stream.synchronize()
        assert not h.get(stream=stream).any(), "a capture runs nothing"
        emulated.reset_counters()
        graph.launch(stream)
        counted = {name: n for name, n in emulated.counters().items() if n}
        first = h.get(stream=stream)
        staging[:] = x + 1  # a repetition reads the staging buffer again
        graph.launch(stream)
        second = h.get(stream=stream)
    assert counted == {"graph_launches": 1, "graph_kernels": 3 * STEPS, "h2d": 1}
    np.testing.assert_array_equal(first, eager)
    wanted = host_steps(W, x, np.zeros((B, H), "f"))
    np.testing.assert_allclose(first, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(second, host_steps(W, x + 1, wanted), rtol=1e-4, atol=1e-5)


def test_cupy_refuses_its_own_gemm_in_a_capture(emulated) -> None:
    import cupy

    a = cupy.zeros((4, 4), "f")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(NotImplementedError):
            cupy.matmul(a, a, out=a)
        stream.end_capture()


def allocate(stream, x) -> None:
    import cupy

    cupy.cuda.runtime.malloc(1 << 20)


def wait_for_the_device(stream, x) -> None:
    import cupy

    cupy.cuda.Device().synchronize()


def wait_for_outside_work(stream, x) -> None:
    import cupy

    stream.wait_event(cupy.cuda.Stream(non_blocking=True).record())


def load_a_kernel(stream, x) -> None:
    import cupy

    kernel = cupy.RawKernel('extern "C" __global__ void first_used_here(float* x) { x[0] = 1; }', "first_used_here")
    kernel((1,), (1,), (x,))


FORBIDDEN = {
    "allocating": allocate,
    "waiting for the stream": lambda stream, x: stream.synchronize(),
    "waiting for the device": wait_for_the_device,
    "waiting for outside work": wait_for_outside_work,
    "loading a kernel": load_a_kernel,
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_capture_refuses(emulated, name: str) -> None:
    import cupy

    errors = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)
    x = cupy.zeros(1, "f")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture(cupy.cuda.runtime.streamCaptureModeGlobal)
        with pytest.raises(errors, match="cudaErrorStreamCapture"):
            FORBIDDEN[name](stream, x)
        with pytest.raises(errors, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()


def test_a_second_stream_joins_the_capture_and_comes_back(emulated) -> None:
    import cupy

    x = cupy.zeros(4, "f")
    main, side = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    cupy.add(x, 1, out=x)
    cupy.cuda.Device().synchronize()
    main.begin_capture()
    side.wait_event(main.record())
    with side:
        cupy.add(x, 1, out=x)
    main.wait_event(side.record())
    graph = main.end_capture()
    graph.launch(main)
    graph.launch(main)
    assert x.get(stream=main).tolist() == [3, 3, 3, 3]

    main.begin_capture()
    side.wait_event(main.record())
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureUnjoined"):
        main.end_capture()
