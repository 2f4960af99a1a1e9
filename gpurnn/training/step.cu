// What is carried to the next window: the rules stand in step.py. ctl[OK]: 1 where this window counts.
// Each operation exists for layers that carry one state (h) and for layers that carry two (h, c).

#define OK 3

static __device__ __forceinline__ void check(const REAL* last, int lane, REAL* bad)
{
    for (int unit = 0; unit < H; unit++)
        if (!isfinite(last[(long long)lane * H + unit]))
            bad[lane] = 1;
}

static __device__ __forceinline__ void carry(const double* ctl, const REAL* bad, const REAL* last, REAL* carried, int i)
{
    REAL value = ctl[OK] != 0 ? last[i] : bad[i / H] > 0 ? (REAL)0 : carried[i];
    carried[i] = isfinite(value) ? value : (REAL)0;
}

// One thread a lane; in a window that counts it does nothing.
#define LANE \
    const int lane = blockIdx.x * blockDim.x + threadIdx.x; \
    if (lane >= B || ctl[OK] != 0) \
        return;

// One thread an element of (B, H).
#define ELEMENT \
    const int i = blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= B * H) \
        return;

extern "C" __global__ void lane_check_1(const double* ctl, REAL* bad, const REAL* h)
{
    LANE
    check(h, lane, bad);
}

extern "C" __global__ void lane_check_2(const double* ctl, REAL* bad, const REAL* h, const REAL* c)
{
    LANE
    check(h, lane, bad);
    check(c, lane, bad);
}

extern "C" __global__ void carry_out_1(const double* ctl, const REAL* bad, const REAL* h, REAL* carried_h)
{
    ELEMENT
    carry(ctl, bad, h, carried_h, i);
}

extern "C" __global__ void carry_out_2(const double* ctl, const REAL* bad, const REAL* h, const REAL* c,
                                       REAL* carried_h, REAL* carried_c)
{
    ELEMENT
    carry(ctl, bad, h, carried_h, i);
    carry(ctl, bad, c, carried_c, i);
}
