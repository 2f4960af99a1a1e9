// What the encoder has at the ends of sources: what is computed stands in encoder.py. One thread an element of (C, K): no two
// sequences have a row in common.

#define ELEMENT \
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= (long long)C * K) \
        return; \
    const int sequence = i / K, k = i % K; \
    const int row = k < K / 2 ? last[sequence] : first[sequence]; \
    const bool known = (unsigned int)row < B * Q;

LAUNCH(C * K, 256)
extern "C" __global__ void take_ends(REAL* x, const REAL* e, const int* last, const int* first)
{
    ELEMENT
    x[i] = known ? e[(long long)row * K + k] : (REAL)nan("");  // loses the window, no more
}

LAUNCH(C * K, 256)
extern "C" __global__ void add_ends(REAL* e, const REAL* dx, const int* last, const int* first, const REAL* there)
{
    ELEMENT
    if (known && there[sequence] > 0)
        e[(long long)row * K + k] += dx[i];
}
