// The simple cell over all steps of a window: a block a lane, a thread a unit. See simple.py and recurrent.py for the
// equations and what is overwritten; carry: 0 where a step sees no state of before.

// Thread k keeps column k of W. x, the masked h(t-1), is read from one half of its buffer while h(t) fills the other.
static __device__ __forceinline__ void forward(bool relu, const float* a, const float* W, const float* b,
                                               const float* carry, const float* h_prev, float* h, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* x = rest + (PADDED - REGISTERS) * THREADS;
    float held[REGISTERS];
    const int k = threadIdx.x, lane = blockIdx.x;
    const float bias = b[k];
    keep_weights(held, rest, W + k, H);
    clear(x, 2 * PADDED);
    __syncthreads();
    x[k] = h_prev[lane * H + k] * carry[lane];
    for (int t = 0; t < steps; t++) {
        const long long row = (long long)t * B + lane;
        const float input = a[row * H + k];
        __syncthreads();
        const float sum = input + product(held, rest, x + t % 2 * PADDED) + bias;
        const float state = !relu ? tanhf(sum) : sum <= 0 ? 0.0f : sum;
        h[row * H + k] = state;
        if (t + 1 < steps)
            x[(t + 1) % 2 * PADDED + k] = state * carry[row + B];
    }
}

// Thread k keeps row k of W.
static __device__ __forceinline__ void backward(bool relu, float* a, const float* W, const float* carry,
                                                const float* dh_out, const float* h, float* dh_rec, int steps)
{
    extern __shared__ __align__(16) float memory[];
    float* rest = memory;
    float* da = rest + (PADDED - REGISTERS) * THREADS;
    float held[REGISTERS];
    const int k = threadIdx.x, lane = blockIdx.x;
    float dh = dh_rec[lane * H + k];
    keep_weights(held, rest, W + (long long)k * H, 1);
    clear(da, 2 * PADDED);
    __syncthreads();
    for (int t = steps - 1; t >= 0; t--) {
        const long long row = (long long)t * B + lane;
        const float state = h[row * H + k];
        const float slope = !relu ? 1 - state * state : state > 0 ? 1.0f : state;
        const float error = (dh_out[row * H + k] + dh) * slope;
        float* x = da + t % 2 * PADDED;
        a[row * H + k] = error;
        x[k] = error;
        __syncthreads();
        dh = product(held, rest, x) * carry[row];
    }
    dh_rec[lane * H + k] = dh;
}

extern "C" __global__ void __launch_bounds__(THREADS)
simple_persistent_forward(const float* a, const float* W, const float* b, const float* carry, const float* h_prev,
                      float* h, int steps)
{
    forward(false, a, W, b, carry, h_prev, h, steps);
}

extern "C" __global__ void __launch_bounds__(THREADS)
simple_persistent_backward(float* a, const float* W, const float* carry, const float* dh_out, const float* h,
                       float* dh_rec, int steps)
{
    backward(false, a, W, carry, dh_out, h, dh_rec, steps);
}

extern "C" __global__ void __launch_bounds__(THREADS)
simple_relu_persistent_forward(const float* a, const float* W, const float* b, const float* carry, const float* h_prev,
                           float* h, int steps)
{
    forward(true, a, W, b, carry, h_prev, h, steps);
}

extern "C" __global__ void __launch_bounds__(THREADS)
simple_relu_persistent_backward(float* a, const float* W, const float* carry, const float* dh_out, const float* h,
                            float* dh_rec, int steps)
{
    backward(true, a, W, carry, dh_out, h, dh_rec, steps);
}
