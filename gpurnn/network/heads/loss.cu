// The loss of a window: what it is stands in loss.py. One block; the sum is taken in a fixed order.

#define BLOCK 256

LAUNCH(BLOCK, BLOCK)
extern "C" __global__ void weighted_loss(const REAL* losses, const REAL* weight, const REAL* scale, double* loss, int n)
{
    __shared__ double partial[BLOCK];
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += BLOCK)
        sum += (double)(losses[i] * weight[i] * scale[0]);
    partial[threadIdx.x] = sum;
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    if (threadIdx.x == 0)
        loss[0] = partial[0];
}
