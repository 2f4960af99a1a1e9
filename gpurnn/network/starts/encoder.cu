// What the encoder has at the ends of sources: what is computed stands in encoder.py. One thread a column of K, which goes
// through the sequences in their order.

#define COLUMN \
    const int k = blockIdx.x * blockDim.x + threadIdx.x; \
    if (k >= K) \
        return; \
    const int* row = k < K / 2 ? last : first;

LAUNCH(K, 64)
extern "C" __global__ void take_ends(REAL* x, const REAL* e, const int* last, const int* first)
{
    COLUMN
    for (int n = 0; n < C; n++) {
        const bool known = (unsigned int)row[n] < B * Q;
        x[(long long)n * K + k] = known ? e[(long long)row[n] * K + k] : (REAL)nan("");  // loses the window, no more
    }
}

LAUNCH(K, 64)
extern "C" __global__ void add_ends(REAL* e, const REAL* dx, const int* last, const int* first, const REAL* there)
{
    COLUMN
    for (int n = 0; n < C; n++)
        if (there[n] > 0 && (unsigned int)row[n] < B * Q)
            e[(long long)row[n] * K + k] += dx[(long long)n * K + k];
}
