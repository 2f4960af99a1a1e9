// Softmax and cross-entropy: what is overwritten stands in softmax_xent.py and smoothed_softmax.py. One warp a row of
// K symbols; sums are taken in a fixed order. N: how many rows there are, an argument because it varies.

#define ALL 0xffffffffu

static __device__ __forceinline__ REAL warp_max(REAL x)
{
    for (int step = WARP / 2; step > 0; step /= 2) {
        const REAL other = __shfl_xor_sync(ALL, x, step);
        x = other > x ? other : x;
    }
    return x;
}

static __device__ __forceinline__ REAL warp_sum(REAL x)
{
    for (int step = WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(ALL, x, step);
    return x;
}

// row: overwritten with exp(o - max o). Returns its sum; nats: -log of the target's share.
static __device__ __forceinline__ REAL shifted_exp(REAL* row, int target, int lane, REAL* nats)
{
    REAL top = row[0];
    for (int k = lane; k < K; k += WARP)
        top = row[k] > top ? row[k] : top;
    top = warp_max(top);
    const REAL at_target = (unsigned int)target < K ? row[target] - top : (REAL)nan("");  // loses the window, no more
    __syncwarp();  // every lane has read the target's element before its owner overwrites it
    REAL total = 0;
    for (int k = lane; k < K; k += WARP) {
        row[k] = exp(row[k] - top);
        total += row[k];
    }
    total = warp_sum(total);
    *nats = log(total) - at_target;
    return total;
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void softmax_xent(REAL* o, const int* target, const REAL* weight, const REAL* scale, REAL* nats,
                                        int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n)
        return;
    REAL* row = o + i * K;
    REAL loss;
    const REAL total = shifted_exp(row, target[i], lane, &loss);
    const REAL factor = weight[i] * scale[0], share = factor / total;
    for (int k = lane; k < K; k += WARP)
        row[k] = row[k] * share - (k == target[i] ? factor : REAL(0));
    if (lane == 0)
        nats[i] = loss;
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void xent(REAL* o, const int* target, REAL* nats, int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n)
        return;
    REAL loss;
    shifted_exp(o + i * K, target[i], lane, &loss);
    if (lane == 0)
        nats[i] = loss;
}

// What smoothing adds to a loss: e (o[target] - mean o). Every lane has it before the row is overwritten.
static __device__ __forceinline__ REAL spread(const REAL* row, int target, int lane, REAL smoothing)
{
    REAL total = 0;
    for (int k = lane; k < K; k += WARP)
        total += row[k];
    total = warp_sum(total);
    return (unsigned int)target < K ? smoothing * (row[target] - total / K) : (REAL)nan("");
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void smoothed_softmax_xent(REAL* o, const int* target, const REAL* weight, const REAL* scale,
                                                 REAL* nats, const REAL* smoothing, int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n)
        return;
    REAL* row = o + i * K;
    REAL loss;
    const REAL more = spread(row, target[i], lane, smoothing[0]);
    const REAL total = shifted_exp(row, target[i], lane, &loss);
    const REAL factor = weight[i] * scale[0], share = factor / total;
    const REAL of_each = factor * smoothing[0] / K, of_target = factor * (1 - smoothing[0]);
    for (int k = lane; k < K; k += WARP)
        row[k] = row[k] * share - of_each - (k == target[i] ? of_target : REAL(0));
    if (lane == 0)
        nats[i] = loss + more;
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void smoothed_xent(REAL* o, const int* target, REAL* nats, const REAL* smoothing, int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n)
        return;
    REAL loss;
    const REAL more = spread(o + i * K, target[i], lane, smoothing[0]);
    shifted_exp(o + i * K, target[i], lane, &loss);
    if (lane == 0)
        nats[i] = loss + more;
}
