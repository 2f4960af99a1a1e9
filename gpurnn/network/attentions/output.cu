// What a step makes of what it saw: what is computed stands in output.py. One thread an element.

#define ELEMENT \
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= (long long)n * K) \
        return;

LAUNCH(N * K, 256)
extern "C" __global__ void bias_tanh(REAL* y, const REAL* __restrict__ b, int n)
{
    ELEMENT
    y[i] = tanh(y[i] + b[i % K]);
}

LAUNCH(N * K, 256)
extern "C" __global__ void tanh_error(REAL* __restrict__ d, const REAL* __restrict__ y, const REAL* __restrict__ dy,
                                      int n)
{
    ELEMENT
    d[i] = dy[i] * (1 - y[i] * y[i]);
}
