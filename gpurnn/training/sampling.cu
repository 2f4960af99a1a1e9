// Scheduled sampling: what is overwritten stands in sampling.py. N: how many rows there are, an argument because it
// varies.

#define ALL 0xffffffffu

// One warp a row.
LAUNCH(WARP * N, 256)
extern "C" __global__ void own_symbols(int* tokens, const REAL* o, const REAL* carry, const REAL* kept, int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n || carry[i] == 0 || kept[i] != 0)
        return;
    const REAL* row = o + i * K;
    int best = lane < K ? lane : 0;
    for (int k = lane + WARP; k < K; k += WARP)
        best = row[k] > row[best] ? k : best;
    for (int step = WARP / 2; step > 0; step /= 2) {
        const int other = __shfl_xor_sync(ALL, best, step);
        best = row[other] > row[best] || (row[other] == row[best] && other < best) ? other : best;
    }
    if (lane == 0)
        tokens[i] = best;
}

// One thread a place, which looks at all others.
LAUNCH(N, 256)
extern "C" __global__ void sort_symbols(const int* index, int* order, int* begins, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    const int symbol = index[i];
    int smaller = 0, before = 0;
    for (int j = 0; j < n; j++) {
        smaller += index[j] < symbol;
        before += j < i && index[j] == symbol;
    }
    order[smaller + before] = i;
    begins[smaller + before] = before == 0;
}

// One thread a place of the order.
LAUNCH(N, 256)
extern "C" __global__ void find_runs(const int* index, const int* order, const int* begins, int* starts, int* rows,
                                     int* runs, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    int run = 0;
    for (int j = 0; j < i; j++)
        run += begins[j];
    if (begins[i]) {
        starts[run] = i;
        rows[run] = index[order[i]];
    }
    if (i == n - 1)
        runs[0] = run + begins[i];
}
