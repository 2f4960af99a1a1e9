// One LSTM step, pointwise: the equations and what is overwritten stand in lstm.py.
// One thread an element of (B, H); a holds the gates i f g o of each lane side by side.

#define ELEMENT \
    const int element = blockIdx.x * blockDim.x + threadIdx.x; \
    if (element >= B * H) \
        return; \
    const int unit = element % H; \
    const long long gates = (long long)(element / H) * 4 * H + unit;

static __device__ __forceinline__ REAL sigmoid(REAL x)
{
    return REAL(0.5) * tanh(REAL(0.5) * x) + REAL(0.5);
}

LAUNCH(B * H, 256)
extern "C" __global__ void lstm_forward(REAL* a, const REAL* r, const REAL* b, const REAL* c_prev, REAL* c, REAL* tc,
                                        REAL* h)
{
    ELEMENT
    const REAL i = sigmoid(a[gates] + r[gates] + b[unit]);
    const REAL f = sigmoid(a[gates + H] + r[gates + H] + b[unit + H]);
    const REAL g = tanh(a[gates + 2 * H] + r[gates + 2 * H] + b[unit + 2 * H]);
    const REAL o = sigmoid(a[gates + 3 * H] + r[gates + 3 * H] + b[unit + 3 * H]);
    const REAL state = f * c_prev[element] + i * g;
    const REAL squashed = tanh(state);
    a[gates] = i;
    a[gates + H] = f;
    a[gates + 2 * H] = g;
    a[gates + 3 * H] = o;
    c[element] = state;
    tc[element] = squashed;
    h[element] = o * squashed;
}

LAUNCH(B * H, 256)
extern "C" __global__ void lstm_backward(const REAL* dh_out, const REAL* dh_rec, REAL* e, const REAL* c_prev,
                                         const REAL* tc, REAL* a)
{
    ELEMENT
    const REAL i = a[gates], f = a[gates + H], g = a[gates + 2 * H], o = a[gates + 3 * H];
    const REAL squashed = tc[element];
    const REAL dh = dh_out[element] + dh_rec[element];
    const REAL dc = e[element] + dh * o * (REAL(1) - squashed * squashed);
    a[gates] = dc * g * (i - i * i);
    a[gates + H] = dc * c_prev[element] * (f - f * f);
    a[gates + 2 * H] = dc * i * (REAL(1) - g * g);
    a[gates + 3 * H] = dh * squashed * (o - o * o);
    e[element] = dc * f;
}
