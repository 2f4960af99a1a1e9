// One step of the simple cell, pointwise: the equations and what is overwritten stand in simple.py.
// One thread an element of (B, H).

#define ELEMENT \
    const int i = blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= B * H) \
        return;

LAUNCH(B * H, 256)
extern "C" __global__ void simple_forward(const REAL* a, const REAL* r, const REAL* b, REAL* h)
{
    ELEMENT
    h[i] = tanh(a[i] + r[i] + b[i % H]);
}

LAUNCH(B * H, 256)
extern "C" __global__ void simple_backward(const REAL* dh_out, const REAL* dh_rec, const REAL* h, REAL* a)
{
    ELEMENT
    a[i] = (dh_out[i] + dh_rec[i]) * (REAL(1) - h[i] * h[i]);
}

// A comparison that NaN does not pass would hide it: NaN goes through, as in NumPy's maximum and sign.
LAUNCH(B * H, 256)
extern "C" __global__ void simple_relu_forward(const REAL* a, const REAL* r, const REAL* b, REAL* h)
{
    ELEMENT
    const REAL x = a[i] + r[i] + b[i % H];
    h[i] = x <= REAL(0) ? REAL(0) : x;
}

LAUNCH(B * H, 256)
extern "C" __global__ void simple_relu_backward(const REAL* dh_out, const REAL* dh_rec, const REAL* h, REAL* a)
{
    ELEMENT
    const REAL slope = h[i] > REAL(0) ? REAL(1) : h[i];
    a[i] = (dh_out[i] + dh_rec[i]) * slope;
}
