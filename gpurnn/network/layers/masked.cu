// What masks rows: what it computes stands in masked.py. One thread an element of (N, H).

LAUNCH(N * H, 256)
extern "C" __global__ void mask_rows(const REAL* x, const REAL* carry, REAL* y, int n)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < (long long)n * H)
        y[i] = x[i] * carry[i / H];
}
