"""Hand-written kernels: what is right gives the right values, what is wrong is found."""

from __future__ import annotations

import numpy as np
import pytest

ORDERS = ["forward", "reverse", "random"]


def raw(source: str, name: str):
    import cupy

    return cupy.RawKernel(source, name)


BLOCK_SUM = r"""
// a comment with __global__ void nothing(int x) in it
extern "C" __global__ void __launch_bounds__(256) block_sum(const float* __restrict__ x, float* out, int n) {
  __shared__ float s[256];
  extern __shared__ float twice[];
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  s[t] = i < n ? x[i] : 0.f;
  twice[t] = 2.f * s[t];
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half >>= 1) {
    if (t < half) s[t] += s[t + half];
    __syncthreads();
  }
  float v = twice[blockDim.x - 1 - t];
  for (int d = 16; d > 0; d >>= 1) v += __shfl_down_sync(0xffffffffu, v, d);
  if ((t & 31) == 0) atomicAdd(&out[gridDim.x], v);
  if (t == 0) out[blockIdx.x] = s[0];
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_shared_memory_barriers_shuffles_atomics(emulated, order: str) -> None:
    import cupy

    x = np.random.default_rng(0).standard_normal(1000).astype("f")
    with emulated.strict(order):
        out = cupy.zeros(5, "f")
        raw(BLOCK_SUM, "block_sum")((4,), (256,), (cupy.asarray(x), out, np.int32(1000)), shared_mem=1024)
        found = out.get()
    blocks = np.pad(x, (0, 24)).reshape(4, 256).sum(1)
    np.testing.assert_allclose(found, np.append(blocks, 2 * x.sum()), rtol=1e-4, atol=1e-4)


NEIGHBOUR = r"""
extern "C" __global__ void neighbour(float* x) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  BARRIER
  if (threadIdx.x > 0) x[threadIdx.x] = s[threadIdx.x - 1];
}
"""


def neighbours_are_right(source: str) -> bool:
    import cupy

    x = cupy.zeros(64, "f")
    raw(source, "neighbour")((1,), (64,), (x,))
    return bool((x.get() == np.maximum(np.arange(64) - 1, 0)).all())


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_shows_in_another_order(emulated, order: str) -> None:
    with emulated.strict(order):
        assert neighbours_are_right(NEIGHBOUR.replace("BARRIER", "__syncthreads();"))
        assert neighbours_are_right(NEIGHBOUR.replace("BARRIER", "")) == (order == "forward")


FAULTY = {
    "a store behind the array": (
        "x[threadIdx.x + 1] = 1;",
        "cudaErrorIllegalAddress",
        "256 bytes from the start of a device allocation of 256 bytes in kernel faulty, block (0,0,0), thread (63,0,0)",
    ),
    "a null pointer": (
        "float* p = n ? nullptr : x; p[threadIdx.x] = 1;",
        "cudaErrorIllegalAddress",
        "not device memory in kernel faulty",
    ),
    "a barrier that threads left before": (
        "if (threadIdx.x < 10) return; __syncthreads(); x[threadIdx.x] = 1;",
        "cudaErrorIllegalInstruction",
        "__syncthreads() that some threads of the block left before",
    ),
    "a shuffle that lanes do not reach": (
        "if (threadIdx.x % 32 < 7) x[0] = __shfl_sync(0xffffffffu, 1.f, 0);",
        "cudaErrorIllegalInstruction",
        "a warp operation or barrier that not all of its threads reach",
    ),
    "an assertion": ("assert(threadIdx.x < 63);", "cudaErrorAssert", "assert(threadIdx.x < 63)"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_fault_is_an_error_that_says_where(emulated, capfd: pytest.CaptureFixture[str], fault: str) -> None:
    import cupy

    body, error, message = FAULTY[fault]
    kernel = raw('extern "C" __global__ void faulty(float* x, int n) { ' + body + " }", "faulty")
    with emulated.strict("forward"):
        x = cupy.zeros(64, "f")
        kernel((1,), (64,), (x, np.int32(64)))
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match=error):
            cupy.cuda.Device().synchronize()
        emulated.clear_error()  # before the arrays are freed
    assert message in capfd.readouterr().err


def test_a_compile_error_names_the_line(emulated) -> None:
    import cupy

    source = 'extern "C" __global__ void wrong(float* x) {\n  x[0] = no_such_name;\n}'
    with pytest.raises(cupy.cuda.compiler.CompileException, match=r"\(2\).*no_such_name|:2:.*no_such_name"):
        raw(source, "wrong").compile()


def test_a_kernel_that_is_not_there(emulated) -> None:
    import cupy

    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="CUDA_ERROR_NOT_FOUND"):
        raw(BLOCK_SUM, "blocksum").compile()


def test_dynamic_shared_memory_over_48_kib_has_to_be_asked_for(emulated) -> None:
    import cupy

    x, arguments = cupy.zeros(256, "f"), {"shared_mem": 60 << 10}
    kernel = raw(BLOCK_SUM, "block_sum")
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="CUDA_ERROR_INVALID_VALUE"):
        kernel((1,), (256,), (x, cupy.zeros(2, "f"), np.int32(256)), **arguments)
    kernel.max_dynamic_shared_size_bytes = 60 << 10
    kernel((1,), (256,), (x, cupy.zeros(2, "f"), np.int32(256)), **arguments)
    cupy.cuda.Device().synchronize()
