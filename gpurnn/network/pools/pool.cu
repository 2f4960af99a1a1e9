// Pools: what they compute stands in their own files. One thread a column of a lane, which goes through the n steps.

#define COLUMN \
    const int column = blockIdx.x * blockDim.x + threadIdx.x; \
    if (column >= B * H) \
        return; \
    const int lane = column / H;

// Whether a sequence begins in this lane at step t; behind the last step one does.
static __device__ __forceinline__ bool begins(const REAL* carry, int t, int n, int lane)
{
    return t == 0 || t == n || carry[(long long)t * B + lane] == 0;
}

LAUNCH(B * H, 256)
extern "C" __global__ void mean_pool(const REAL* __restrict__ y, const REAL* __restrict__ carry, REAL* __restrict__ z,
                                     int n)
{
    COLUMN
    double total = 0;
    int count = 0;
    for (int t = 0; t < n; t++) {
        const long long i = (long long)t * B * H + column;
        const bool begin = begins(carry, t, n, lane);
        total = (begin ? 0.0 : total) + (double)y[i];
        count = (begin ? 0 : count) + 1;
        z[i] = (REAL)total / (REAL)count;
    }
}

LAUNCH(B * H, 256)
extern "C" __global__ void mean_pool_error(const REAL* __restrict__ dz, const REAL* __restrict__ carry,
                                           REAL* __restrict__ dy, int n)
{
    COLUMN
    double total = 0;
    int count = 0;  // how many steps of its sequence the lane has read after step t
    for (int t = n - 1; t >= 0; t--) {
        const long long i = (long long)t * B * H + column;
        if (begins(carry, t + 1, n, lane)) {
            total = 0;
            count = 1;
            for (int before = t; !begins(carry, before, n, lane); before--)
                count++;
        }
        total += (double)(dz[i] / (REAL)count);
        dy[i] = (REAL)total;
        count--;
    }
}

LAUNCH(B * H, 256)
extern "C" __global__ void max_pool(const REAL* __restrict__ y, const REAL* __restrict__ carry, REAL* __restrict__ z,
                                    int n)
{
    COLUMN
    REAL largest = 0;
    for (int t = 0; t < n; t++) {
        const long long i = (long long)t * B * H + column;
        const REAL here = y[i];
        largest = begins(carry, t, n, lane) || here > largest || here != here ? here : largest;  // NaN stays
        z[i] = largest;
    }
}

LAUNCH(B * H, 256)
extern "C" __global__ void max_pool_error(const REAL* __restrict__ dz, const REAL* __restrict__ carry,
                                          REAL* __restrict__ dy, const REAL* __restrict__ z, int n)
{
    COLUMN
    double total = 0;
    for (int t = n - 1; t >= 0; t--) {
        const long long i = (long long)t * B * H + column;
        const bool rose = begins(carry, t, n, lane) || z[i] != z[i - B * H];
        total += (double)dz[i];
        dy[i] = rose ? (REAL)total : REAL(0);
        total = rose ? 0.0 : total;
    }
}

LAUNCH(B * H, 256)
extern "C" __global__ void last_pool(const REAL* __restrict__ y, const REAL* __restrict__ carry, REAL* __restrict__ z,
                                     int n)
{
    COLUMN
    REAL reverse = 0;
    for (int t = 0; t < n; t++) {
        const long long i = ((long long)t * B + lane) * 2 * H + column % H;
        reverse = begins(carry, t, n, lane) ? y[i + H] : reverse;
        z[i] = y[i];
        z[i + H] = reverse;
    }
}

LAUNCH(B * H, 256)
extern "C" __global__ void last_pool_error(const REAL* __restrict__ dz, const REAL* __restrict__ carry,
                                           REAL* __restrict__ dy, int n)
{
    COLUMN
    double total = 0;
    for (int t = n - 1; t >= 0; t--) {
        const long long i = ((long long)t * B + lane) * 2 * H + column % H;
        const bool begin = begins(carry, t, n, lane);
        total += (double)dz[i + H];
        dy[i] = dz[i];
        dy[i + H] = begin ? (REAL)total : REAL(0);
        total = begin ? 0.0 : total;
    }
}
