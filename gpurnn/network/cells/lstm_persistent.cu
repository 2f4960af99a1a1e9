// The LSTM over all steps of a window: a block a lane, a thread a gate of a unit. See lstm.py and recurrent.py for the
// equations and what is overwritten; carry: 0 where a step sees no state of before.

// Thread j keeps column j of W. The first H threads also do what is done once a unit.
extern "C" __global__ void __launch_bounds__(THREADS)
lstm_persistent_forward(float* a, const float* W, const float* b, const float* carry, const float* c_prev, float* c,
                    float* tc, const float* h_prev, float* h, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* x = rest + (PADDED - REGISTERS) * THREADS;  // the masked h(t-1)
    float* gates = x + PADDED;
    float held[REGISTERS];
    const int j = threadIdx.x, lane = blockIdx.x;
    const bool unit = j < H;
    const float bias = b[j];
    float state = unit ? c_prev[lane * H + j] : 0.0f;
    keep_weights(held, rest, W + j, 4 * H);
    clear(x, PADDED);
    __syncthreads();
    if (unit)
        x[j] = h_prev[lane * H + j] * carry[lane];
    for (int t = 0; t < steps; t++) {
        const long long row = (long long)t * B + lane;
        const float input = a[row * 4 * H + j];
        __syncthreads();
        const float sum = input + product(held, rest, x) + bias;
        const float gate = j / H == 2 ? tanhf(sum) : sigmoid(sum);
        a[row * 4 * H + j] = gate;
        gates[j] = gate;
        __syncthreads();
        if (unit) {
            const long long at = row * H + j;
            state *= carry[row];
            state = gates[H + j] * state + gates[j] * gates[2 * H + j];
            const float squashed = tanhf(state), output = gates[3 * H + j] * squashed;
            c[at] = state;
            tc[at] = squashed;
            h[at] = output;
            if (t + 1 < steps)
                x[j] = output * carry[row + B];
        }
    }
}

// Thread g H + k keeps gate g's part of row k of W; the first H threads add the parts up.
extern "C" __global__ void __launch_bounds__(THREADS)
lstm_persistent_backward(float* a, const float* W, const float* carry, const float* dh_out, const float* c_prev,
                     const float* tc, float* dh_rec, float* e, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* da = rest + (PADDED - REGISTERS) * THREADS;  // a vector of PADDED a gate
    float* parts = da + 4 * PADDED;
    float held[REGISTERS];
    const int j = threadIdx.x, lane = blockIdx.x, gate = j / H, k = j % H;
    const bool unit = j < H;
    float dh_next = unit ? dh_rec[lane * H + j] : 0.0f, dc = unit ? e[lane * H + j] : 0.0f;
    keep_weights(held, rest, W + (long long)k * 4 * H + gate * H, 1);
    clear(da, 4 * PADDED);
    __syncthreads();
    for (int t = steps - 1; t >= 0; t--) {
        const long long row = (long long)t * B + lane;
        if (unit) {
            float* gates = a + row * 4 * H + j;
            const float i = gates[0], f = gates[H], g = gates[2 * H], o = gates[3 * H], squashed = tc[row * H + j];
            const float dh = dh_out[row * H + j] + dh_next;
            dc += dh * o * (1 - squashed * squashed);
            gates[0] = da[j] = dc * g * (i - i * i);
            gates[H] = da[PADDED + j] = dc * (c_prev[row * H + j] * carry[row]) * (f - f * f);
            gates[2 * H] = da[2 * PADDED + j] = dc * i * (1 - g * g);
            gates[3 * H] = da[3 * PADDED + j] = dh * squashed * (o - o * o);
            dc *= f * carry[row];
        }
        __syncthreads();
        parts[j] = product(held, rest, da + gate * PADDED);
        __syncthreads();
        if (unit)
            dh_next = (parts[j] + parts[H + j] + parts[2 * H + j] + parts[3 * H + j]) * carry[row];
    }
    if (unit) {
        dh_rec[lane * H + j] = dh_next;
        e[lane * H + j] = dc;
    }
}
