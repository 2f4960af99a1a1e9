// What is carried to the next window, for one state of one layer: the rules stand in step.py.
// The places in ctl stand in control.py.

// One thread a lane; in a window that counts it does nothing.
LAUNCH(B, 256)
extern "C" __global__ void lane_check(const double* ctl, REAL* bad, const REAL* last)
{
    const int lane = blockIdx.x * blockDim.x + threadIdx.x;
    if (lane >= B || ctl[OUTCOME] != NOT_FINITE)
        return;
    for (int unit = 0; unit < H; unit++)
        if (!isfinite(last[(long long)lane * H + unit]))
            bad[lane] = 1;
}

// One thread an element of (B, H).
LAUNCH(B * H, 256)
extern "C" __global__ void carry_out(const double* ctl, const REAL* bad, const REAL* last, REAL* carried)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * H)
        return;
    REAL value = ctl[OUTCOME] != NOT_FINITE ? last[i] : bad[i / H] > 0 ? (REAL)0 : carried[i];
    carried[i] = isfinite(value) ? value : (REAL)0;
}
