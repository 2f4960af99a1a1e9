// The heads of real targets: their curves stand in their files, what is overwritten in regression.py. One warp a row of
// C Q outputs; the sum is taken in a fixed order. N: how many rows there are, an argument because it varies.

#ifndef C  // every output has a target of its own
#define C K
#define Q 1
#endif
#define ALL 0xffffffffu

static __device__ __forceinline__ REAL sign(REAL d)
{
    return d > 0 ? REAL(1) : d < 0 ? REAL(-1) : d;  // NaN stays
}

// l(d), and its slope; level: of the quantile, where there are levels.
struct AbsoluteCurve {
    static __device__ __forceinline__ REAL loss(REAL d, REAL level, REAL* slope)
    {
        *slope = sign(d);
        return d < 0 ? -d : d;
    }
};

struct SquaredCurve {
    static __device__ __forceinline__ REAL loss(REAL d, REAL level, REAL* slope)
    {
        *slope = 2 * d;
        return d * d;
    }
};

struct HuberCurve {
    static __device__ __forceinline__ REAL loss(REAL d, REAL level, REAL* slope)
    {
        const REAL s = d > 1 ? REAL(1) : d < -1 ? REAL(-1) : d;
        *slope = s;
        return s * (d - s / 2);
    }
};

struct QuantileCurve {
    static __device__ __forceinline__ REAL loss(REAL d, REAL level, REAL* slope)
    {
        *slope = sign(d) / 2 - level + REAL(0.5);
        return *slope * d;
    }
};

// One row; o: with a weight overwritten with its error. levels: null where there are none; weight, scale: to evaluate.
template <class Curve>
static __device__ __forceinline__ void one_row(REAL* o, const REAL* target, const REAL* levels, const REAL* weight,
                                               const REAL* scale, REAL* losses, int n)
{
    const long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int lane = threadIdx.x % WARP;
    if (i >= n)
        return;
    const REAL factor = weight ? weight[i] * scale[0] / (C * Q) : REAL(0);
    REAL* row = o + i * C * Q;
    REAL total = 0;
    for (int k = lane; k < C * Q; k += WARP) {
        const REAL y = target[i * C + k / Q];
        const bool missing = isnan(y);
        REAL slope = 0;
        if (!missing)
            total += Curve::loss(row[k] - y, levels ? levels[k % Q] : REAL(0), &slope);
        if (weight)
            row[k] = missing ? REAL(0) : slope * factor;
    }
    for (int step = WARP / 2; step > 0; step /= 2)
        total += __shfl_xor_sync(ALL, total, step);
    if (lane == 0)
        losses[i] = total / (C * Q);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void absolute_with_error(REAL* o, const REAL* target, const REAL* weight, const REAL* scale,
                                               REAL* losses, int n)
{
    one_row<AbsoluteCurve>(o, target, nullptr, weight, scale, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void absolute(REAL* o, const REAL* target, REAL* losses, int n)
{
    one_row<AbsoluteCurve>(o, target, nullptr, nullptr, nullptr, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void squared_with_error(REAL* o, const REAL* target, const REAL* weight, const REAL* scale,
                                              REAL* losses, int n)
{
    one_row<SquaredCurve>(o, target, nullptr, weight, scale, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void squared(REAL* o, const REAL* target, REAL* losses, int n)
{
    one_row<SquaredCurve>(o, target, nullptr, nullptr, nullptr, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void huber_with_error(REAL* o, const REAL* target, const REAL* weight, const REAL* scale,
                                            REAL* losses, int n)
{
    one_row<HuberCurve>(o, target, nullptr, weight, scale, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void huber(REAL* o, const REAL* target, REAL* losses, int n)
{
    one_row<HuberCurve>(o, target, nullptr, nullptr, nullptr, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void quantile_with_error(REAL* o, const REAL* target, const REAL* weight, const REAL* scale,
                                               REAL* losses, const REAL* levels, int n)
{
    one_row<QuantileCurve>(o, target, levels, weight, scale, losses, n);
}

LAUNCH(WARP * N, 256)
extern "C" __global__ void quantile(REAL* o, const REAL* target, REAL* losses, const REAL* levels, int n)
{
    one_row<QuantileCurve>(o, target, levels, nullptr, nullptr, losses, n);
}
