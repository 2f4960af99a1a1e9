// Clip and update on the flat blocks: the rules stand in optimizer.py, the places in ctl and settings in control.py.

#define BLOCK 256

// The sum over a block of BLOCK threads, in a fixed order; right in thread 0.
static __device__ double block_sum(double x)
{
    __shared__ double partial[BLOCK];
    partial[threadIdx.x] = x;
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    return partial[0];
}

static __device__ void decide(double norm, const double* loss, double inverse, const double* settings, double* ctl)
{
    const double clip = settings[CLIP_NORM];
    const bool finite = isfinite(norm) && isfinite(loss[0]);
    if (inverse == 0) {
        ctl[OUTCOME] = UNWEIGHTED;
        return;
    }
    ctl[NORM] = norm;
    ctl[OUTCOME] = finite ? LEARNT : NOT_FINITE;
    if (!finite) {
        ctl[SKIPPED] += 1;
        ctl[SKIPPED_IN_A_ROW] += 1;
        if (ctl[SKIPPED_IN_A_ROW] > ctl[MOST_SKIPPED_IN_A_ROW])
            ctl[MOST_SKIPPED_IN_A_ROW] = ctl[SKIPPED_IN_A_ROW];
        return;
    }
    ctl[CLIP_FACTOR] = 0 < clip && clip < norm ? clip / norm : 1;
    if (ctl[CLIP_FACTOR] < 1)
        ctl[CLIPPED] += 1;
    if (norm > ctl[LARGEST_NORM])
        ctl[LARGEST_NORM] = norm;
    ctl[UPDATES] += 1;
    ctl[SKIPPED_IN_A_ROW] = 0;
    ctl[LOSS] += loss[0] / inverse;
    ctl[WEIGHT] += 1 / inverse;
}

// parts: PARTS doubles, each block's part of the sum of squares of g (P,); tickets: how many blocks are done, 0 before
// and after. Up to PARTS blocks, of as many threads; the last to finish adds the parts up, in their order, and decides.
static_assert(PARTS <= BLOCK, "a thread for each part");

LAUNCH(P, BLOCK, PARTS)
extern "C" __global__ void control(const REAL* g, double* parts, int* tickets, const double* loss, const REAL* scale,
                                   const double* settings, double* ctl)
{
    __shared__ bool last;
    double sum = 0;
    for (long long i = (long long)blockIdx.x * BLOCK + threadIdx.x; i < P; i += (long long)gridDim.x * BLOCK)
        sum += (double)g[i] * (double)g[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = sum;
        __threadfence();  // the part is seen before the ticket
        last = atomicAdd(tickets, 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last)
        return;
    __threadfence();
    sum = block_sum(threadIdx.x < gridDim.x ? ((volatile double*)parts)[threadIdx.x] : 0);
    if (threadIdx.x == 0) {
        decide(sqrt(sum), loss, scale[0], settings, ctl);
        tickets[0] = 0;
    }
}

// The gradient of element i, clipped and with weight decay; decoupled decay is applied to p.
static __device__ __forceinline__ REAL prepared(REAL* p, const REAL* g, int i, const double* settings,
                                                const double* ctl)
{
    const REAL clip = settings[CLIP_VALUE], decay = settings[DECAY];
    REAL gradient = g[i] * (REAL)ctl[CLIP_FACTOR];
    if (clip != 0)
        gradient = gradient < -clip ? -clip : gradient > clip ? clip : gradient;
    if (decay != 0 && i < settings[MATRICES]) {
        if (settings[DECOUPLED] != 0)
            p[i] *= (REAL)(1 - ctl[RATE] * settings[DECAY]);
        else
            gradient += p[i] * decay;
    }
    return gradient;
}

// 1 - beta^updates, without the cancellation of that expression.
static __device__ __forceinline__ REAL debias(double beta, double updates)
{
    return -expm1((REAL)updates * log1p(-(REAL)(1 - beta)));
}

// The average w of p takes its share of the new p.
static __device__ __forceinline__ void renew_average(REAL* w, const REAL* p, int i, const double* settings,
                                                     const double* ctl)
{
    if (settings[REACH] != 0)
        w[i] += (p[i] - w[i]) * (REAL)(1 / (1 + settings[REACH] * (ctl[UPDATES] - 1)));
}

#define ELEMENT \
    const int i = blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= P || ctl[OUTCOME] != LEARNT) \
        return; \
    const REAL gradient = prepared(p, g, i, settings, ctl);

LAUNCH(P, BLOCK)
extern "C" __global__ void sgd(REAL* p, const REAL* g, REAL* m, REAL* w, const double* settings, const double* ctl)
{
    ELEMENT
    m[i] = m[i] * (REAL)settings[BETA1] + gradient;
    p[i] -= m[i] * (REAL)ctl[RATE];
    renew_average(w, p, i, settings, ctl);
}

LAUNCH(P, BLOCK)
extern "C" __global__ void rmsprop(REAL* p, const REAL* g, REAL* v, REAL* w, const double* settings, const double* ctl)
{
    ELEMENT
    v[i] += (gradient * gradient - v[i]) * (REAL)(1 - settings[BETA2]);
    p[i] -= gradient / (sqrt(v[i]) + (REAL)settings[EPSILON]) * (REAL)ctl[RATE];
    renew_average(w, p, i, settings, ctl);
}

LAUNCH(P, BLOCK)
extern "C" __global__ void adam(REAL* p, const REAL* g, REAL* m, REAL* v, REAL* w, const double* settings,
                                const double* ctl)
{
    ELEMENT
    const REAL rate = (REAL)ctl[RATE] / debias(settings[BETA1], ctl[UPDATES]);
    const REAL root = REAL(1) / sqrt(debias(settings[BETA2], ctl[UPDATES]));
    m[i] += (gradient - m[i]) * (REAL)(1 - settings[BETA1]);
    v[i] += (gradient * gradient - v[i]) * (REAL)(1 - settings[BETA2]);
    p[i] -= m[i] / (sqrt(v[i]) * root + (REAL)settings[EPSILON]) * rate;
    renew_average(w, p, i, settings, ctl);
}
