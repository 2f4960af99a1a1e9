// Attentions: what they compute stands in dot.py and additive.py. Forward one warp a row of the steps, backward one block
// a sequence, in which a thread has columns of its own; sums are taken in a fixed order.

#define ALL 0xffffffffu
#define THREADS 256
#ifndef H
#define H 1  // for an operation that has no such dimension, beside which the others are compiled
#endif

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

static __device__ __forceinline__ REAL warp_dot(const REAL* x, const REAL* y, int width, int lane)
{
    REAL total = 0;
    for (int k = lane; k < width; k += WARP)
        total += x[k] * y[k];
    return warp_sum(total);
}

// Where a sequence lies in its lane of the source: its first row and the number of its steps; none where it is nowhere.
struct Source {
    int row, steps;
};

static __device__ __forceinline__ Source source_of(const int* first, const int* last, int n)
{
    Source source = {0, 0};
    if ((unsigned int)n < C && (unsigned int)first[n] < B * Q && (unsigned int)last[n] < B * Q) {
        source.row = first[n];
        source.steps = last[n] / B - first[n] / B + 1;
    }
    return source;
}

// scores: overwritten with their softmax.
static __device__ __forceinline__ void warp_softmax(REAL* scores, int steps, int lane)
{
    REAL top = steps > 0 ? scores[0] : REAL(0), total = 0;
    for (int s = lane; s < steps; s += WARP)
        top = scores[s] > top ? scores[s] : top;
    top = warp_max(top);
    __syncwarp();  // every lane has read the first score before its owner overwrites it
    for (int s = lane; s < steps; s += WARP) {
        scores[s] = exp(scores[s] - top);
        total += scores[s];
    }
    total = warp_sum(total);
    for (int s = lane; s < steps; s += WARP)
        scores[s] /= total;
    __syncwarp();
}

#define ROW \
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP; \
    const int lane = threadIdx.x % WARP; \
    if (i >= n) \
        return; \
    const Source source = source_of(first, last, pair[i]); \
    REAL* weights = a + i * Q; \
    REAL* scores = weights + source.row / B; \
    for (int s = lane; s < Q; s += WARP) \
        weights[s] = 0; \
    __syncwarp();

// c: (K,), overwritten with the sum of the rows of e, each times its weight. Nothing to see loses the window, no more.
static __device__ __forceinline__ void warp_mean(REAL* c, const REAL* scores, const REAL* e, Source source, int lane)
{
    for (int k = lane; k < K; k += WARP) {
        REAL total = source.steps > 0 ? REAL(0) : (REAL)nan("");
        for (int s = 0; s < source.steps; s++)
            total += scores[s] * e[((long long)source.row + s * B) * K + k];
        c[k] = total;
    }
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void dot_attention(REAL* c, REAL* a, const REAL* q, const REAL* e, const int* pair,
                                         const int* first, const int* last, int n)
{
    ROW
    for (int s = 0; s < source.steps; s++) {
        const REAL score = warp_dot(q + i * K, e + ((long long)source.row + s * B) * K, K, lane);
        if (lane == 0)
            scores[s] = score;
    }
    __syncwarp();
    warp_softmax(scores, source.steps, lane);
    warp_mean(c + i * K, scores, e, source, lane);
}

// How the steps of a sequence lie, and which of them the threads of a block take.
#define SEQUENCE \
    const int sequence = blockIdx.x, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP; \
    const bool here = there[sequence] > 0 && begin[sequence] >= 0 && end[sequence] < n; \
    const Source source = source_of(first, last, here ? sequence : -1); \
    const int steps = here ? (end[sequence] - begin[sequence]) / B + 1 : 0; \
    const int column = source.row / B;

#define TARGET(t) ((long long)begin[sequence] + (t) * B)
#define ENCODED(s) ((long long)source.row + (s) * B)

// dscore: overwritten with the errors of the scores of a sequence, from the errors of its c.
static __device__ __forceinline__ void score_errors(REAL* dscore, const REAL* a, const REAL* dc, const REAL* e,
                                                    Source source, int row, int steps)
{
    const int lane = threadIdx.x % WARP, column = source.row / B;
    for (int t = threadIdx.x / WARP; t < steps; t += THREADS / WARP) {
        const long long at = (long long)row + t * B;
        REAL* errors = dscore + at * Q + column;
        const REAL* shares = a + at * Q + column;
        REAL mean = 0;
        for (int s = 0; s < source.steps; s++) {
            const REAL error = warp_dot(dc + at * K, e + ((long long)source.row + s * B) * K, K, lane);
            mean += shares[s] * error;
            if (lane == 0)
                errors[s] = error;
        }
        __syncwarp();
        for (int s = lane; s < source.steps; s += WARP)
            errors[s] = shares[s] * (errors[s] - mean);
    }
    __syncthreads();
}

LAUNCH(C * THREADS, THREADS)
extern "C" __global__ void dot_attention_error(REAL* dq, REAL* dscore, REAL* de, const REAL* dc, const REAL* a,
                                               const REAL* q, const REAL* e, const int* first, const int* last,
                                               const int* begin, const int* end, const REAL* there, int n)
{
    SEQUENCE
    score_errors(dscore, a, dc, e, source, here ? begin[sequence] : 0, steps);
    for (int k = threadIdx.x; k < K; k += THREADS) {
        for (int t = 0; t < steps; t++) {
            REAL total = 0;
            for (int s = 0; s < source.steps; s++)
                total += dscore[TARGET(t) * Q + column + s] * e[ENCODED(s) * K + k];
            dq[TARGET(t) * K + k] = total;
        }
        for (int s = 0; s < source.steps; s++) {
            REAL total = 0;
            for (int t = 0; t < steps; t++) {
                total += a[TARGET(t) * Q + column + s] * dc[TARGET(t) * K + k];
                total += dscore[TARGET(t) * Q + column + s] * q[TARGET(t) * K + k];
            }
            de[ENCODED(s) * K + k] += total;
        }
    }
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void additive_attention(REAL* c, REAL* a, const REAL* q, const REAL* key, const REAL* v,
                                              const REAL* e, const int* pair, const int* first, const int* last,
                                              int n)
{
    ROW
    for (int s = 0; s < source.steps; s++) {
        const REAL* of_step = key + ((long long)source.row + s * B) * H;
        REAL score = 0;
        for (int j = lane; j < H; j += WARP)
            score += v[j] * tanh(q[i * H + j] + of_step[j]);
        score = warp_sum(score);
        if (lane == 0)
            scores[s] = score;
    }
    __syncwarp();
    warp_softmax(scores, source.steps, lane);
    warp_mean(c + i * K, scores, e, source, lane);
}

LAUNCH(C * THREADS, THREADS)
extern "C" __global__ void additive_attention_error(REAL* dq, REAL* dscore, REAL* de, REAL* dkey, REAL* dv,
                                                    const REAL* dc, const REAL* a, const REAL* q, const REAL* key,
                                                    const REAL* v, const REAL* e, const int* first, const int* last,
                                                    const int* begin, const int* end, const REAL* there, int n)
{
    SEQUENCE
    score_errors(dscore, a, dc, e, source, here ? begin[sequence] : 0, steps);
    for (int k = threadIdx.x; k < K; k += THREADS)
        for (int s = 0; s < source.steps; s++) {
            REAL total = 0;
            for (int t = 0; t < steps; t++)
                total += a[TARGET(t) * Q + column + s] * dc[TARGET(t) * K + k];
            de[ENCODED(s) * K + k] += total;
        }
    for (int j = threadIdx.x; j < H; j += THREADS) {
        REAL of_v = 0;
        for (int t = 0; t < steps; t++) {
            REAL total = 0;
            for (int s = 0; s < source.steps; s++) {
                const REAL u = tanh(q[TARGET(t) * H + j] + key[ENCODED(s) * H + j]);
                const REAL error = dscore[TARGET(t) * Q + column + s], d = error * v[j] * (1 - u * u);
                total += d;
                dkey[ENCODED(s) * H + j] += d;
                of_v += error * u;
            }
            dq[TARGET(t) * H + j] = total;
        }
        dv[(long long)sequence * H + j] = of_v;
    }
}
