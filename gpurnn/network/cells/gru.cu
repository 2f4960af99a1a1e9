// One GRU step, pointwise: the equations and what is overwritten stand in gru.py.
// One thread an element of (B, H); a and the recurrent projection hold the gates r z n of each lane side by side.

#define ELEMENT \
    const int element = blockIdx.x * blockDim.x + threadIdx.x; \
    if (element >= B * H) \
        return; \
    const int unit = element % H; \
    const long long gates = (long long)(element / H) * 3 * H + unit;

static __device__ __forceinline__ REAL sigmoid(REAL x)
{
    return REAL(0.5) * tanh(REAL(0.5) * x) + REAL(0.5);
}

LAUNCH(B * H, 256)
extern "C" __global__ void gru_forward(REAL* a, REAL* recurrent, const REAL* b, const REAL* b_h, const REAL* h_prev,
                                       REAL* h)
{
    ELEMENT
    const REAL r = sigmoid(a[gates] + b[unit] + recurrent[gates]);
    const REAL z = sigmoid(a[gates + H] + b[unit + H] + recurrent[gates + H]);
    const REAL inner = recurrent[gates + 2 * H] + b_h[unit];
    const REAL n = tanh(a[gates + 2 * H] + b[unit + 2 * H] + r * inner);
    recurrent[gates + 2 * H] = inner;
    a[gates] = r;
    a[gates + H] = z;
    a[gates + 2 * H] = n;
    h[element] = n + (h_prev[element] - n) * z;
}

LAUNCH(B * H, 256)
extern "C" __global__ void gru_backward(const REAL* dh_out, const REAL* dh_rec, REAL* e, const REAL* h_prev, REAL* a,
                                        REAL* recurrent)
{
    ELEMENT
    const REAL r = a[gates], z = a[gates + H], n = a[gates + 2 * H];
    const REAL dh = e[element] + dh_out[element] + dh_rec[element];
    const REAL da_n = dh * (REAL(1) - z) * (REAL(1) - n * n);
    const REAL da_r = da_n * recurrent[gates + 2 * H] * (r - r * r);
    const REAL da_z = dh * (h_prev[element] - n) * (z - z * z);
    a[gates] = recurrent[gates] = da_r;
    a[gates + H] = recurrent[gates + H] = da_z;
    a[gates + 2 * H] = da_n;
    recurrent[gates + 2 * H] = da_n * r;
    e[element] = dh * z;
}
