// The GRU over all steps of a window: a block a lane, a thread a gate of a unit. See gru.py and recurrent.py for the
// equations and what is overwritten; carry: 0 where a step sees no state of before.

// Thread j keeps column j of W. The first H threads also do what is done once a unit.
extern "C" __global__ void __launch_bounds__(THREADS)
gru_persistent_forward(float* a, float* r, const float* W, const float* b, const float* b_h, const float* carry,
                   const float* h_prev, float* h, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* x = rest + (PADDED - REGISTERS) * THREADS;  // the masked h(t-1)
    float* gates = x + PADDED;
    float held[REGISTERS];
    const int j = threadIdx.x, lane = blockIdx.x;
    const bool unit = j < H, inner = j >= 2 * H;
    const float bias = b[j], inner_bias = inner ? b_h[j - 2 * H] : 0.0f;
    keep_weights(held, rest, W + j, 3 * H);
    clear(x, PADDED);
    __syncthreads();
    float state = unit ? h_prev[lane * H + j] * carry[lane] : 0.0f;
    if (unit)
        x[j] = state;
    for (int t = 0; t < steps; t++) {
        const long long row = (long long)t * B + lane, at = row * 3 * H + j;
        const float input = a[at] + bias;
        __syncthreads();
        const float projected = product(held, rest, x) + inner_bias;
        if (inner)
            r[at] = projected;
        else
            a[at] = sigmoid(input + projected);
        gates[j] = inner ? projected : a[at];
        __syncthreads();
        if (inner)
            a[at] = tanhf(input + gates[j - 2 * H] * projected);
        if (inner)
            gates[j] = a[at];
        __syncthreads();
        if (unit) {
            const float n = gates[2 * H + j];
            state = n + (state - n) * gates[H + j];
            h[row * H + j] = state;
            if (t + 1 < steps) {
                state *= carry[row + B];
                x[j] = state;
            }
        }
    }
}

// Thread g H + k keeps gate g's part of row k of W; the first H threads add the parts up.
extern "C" __global__ void __launch_bounds__(THREADS)
gru_persistent_backward(float* a, float* r, const float* W, const float* carry, const float* dh_out, const float* h_prev,
                    float* dh_rec, float* e, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* da = rest + (PADDED - REGISTERS) * THREADS;  // a vector of PADDED a gate
    float* parts = da + 3 * PADDED;
    float held[REGISTERS];
    const int j = threadIdx.x, lane = blockIdx.x, gate = j / H, k = j % H;
    const bool unit = j < H;
    float dh_next = unit ? dh_rec[lane * H + j] : 0.0f, beside = unit ? e[lane * H + j] : 0.0f;
    keep_weights(held, rest, W + (long long)k * 3 * H + gate * H, 1);
    clear(da, 3 * PADDED);
    __syncthreads();
    for (int t = steps - 1; t >= 0; t--) {
        const long long row = (long long)t * B + lane;
        if (unit) {
            float* gates = a + row * 3 * H + j;
            float* recurrent = r + row * 3 * H + j;
            const float reset = gates[0], z = gates[H], n = gates[2 * H];
            const float dh = beside + dh_out[row * H + j] + dh_next;
            const float da_n = dh * (1 - z) * (1 - n * n);
            const float da_r = da_n * recurrent[2 * H] * (reset - reset * reset);
            const float da_z = dh * (h_prev[row * H + j] * carry[row] - n) * (z - z * z);
            gates[0] = recurrent[0] = da[j] = da_r;
            gates[H] = recurrent[H] = da[PADDED + j] = da_z;
            gates[2 * H] = da_n;
            recurrent[2 * H] = da[2 * PADDED + j] = da_n * reset;
            beside = dh * z * carry[row];
        }
        __syncthreads();
        parts[j] = product(held, rest, da + gate * PADDED);
        __syncthreads();
        if (unit)
            dh_next = (parts[j] + parts[H + j] + parts[2 * H + j]) * carry[row];
    }
    if (unit) {
        dh_rec[lane * H + j] = dh_next;
        e[lane * H + j] = beside;
    }
}
