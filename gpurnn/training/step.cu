// What is carried to the next window, for one state of one layer: the rules stand in step.py.
// ctl[OK]: 0 where this window is skipped.

#define OK 3

// One thread a lane; in a window that counts it does nothing.
extern "C" __global__ void lane_check(const double* ctl, REAL* bad, const REAL* last)
{
    const int lane = blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= B || ctl[OK] != 0)
        return;
    for (int unit = 0; unit < H; unit++)
        if (!isfinite(last[(long long)lane * H + unit]))
            bad[lane] = 1;
}

// One thread an element of (B, H).
extern "C" __global__ void carry_out(const double* ctl, const REAL* bad, const REAL* last, REAL* carried)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * H)
        return;
    REAL value = ctl[OK] != 0 ? last[i] : bad[i / H] > 0 ? (REAL)0 : carried[i];
    carried[i] = isfinite(value) ? value : (REAL)0;
}
