// What is carried to the next window: the rules stand in step.py. ctl[OK]: 1 where this window counts.

#define OK 3

// One thread a lane; a window that counts pays for one load.
extern "C" __global__ void lane_check(const double* ctl, const REAL* last, REAL* bad)
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
    if (ctl[OK] != 0)
        carried[i] = last[i];
    else if (bad[i / H] > 0)
        carried[i] = 0;
}
