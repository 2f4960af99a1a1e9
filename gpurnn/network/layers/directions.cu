// What reverses rows: what it computes stands in directions.py. One thread an element of (N, B, H).

#define ELEMENT \
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= (long long)n * B * H) \
        return; \
    const long long reversed = (n - 1 - i / (B * H)) * (B * H) + i % (B * H);

LAUNCH(N * B * H, 256)
extern "C" __global__ void reverse_rows(const REAL* x, REAL* y, int n)
{
    ELEMENT
    y[i] = x[reversed];
}

LAUNCH(N * B * H, 256)
extern "C" __global__ void add_reversed(REAL* y, const REAL* x, int n)
{
    ELEMENT
    y[i] += x[reversed];
}

LAUNCH(N * B * H, 256)
extern "C" __global__ void join_directions(const REAL* ahead, const REAL* reverse, REAL* y, int n)
{
    ELEMENT
    const long long first = i / H * 2 * H + i % H;
    y[first] = ahead[i];
    y[first + H] = reverse[reversed];
}

LAUNCH(N * B * H, 256)
extern "C" __global__ void part_directions(const REAL* y, REAL* ahead, REAL* reverse, int n)
{
    ELEMENT
    const long long first = i / H * 2 * H + i % H;
    ahead[i] = y[first];
    reverse[reversed] = y[first + H];
}
