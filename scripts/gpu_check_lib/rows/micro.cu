// Small measurements that settle the model of persistent kernels. Each kernel leaves cycles, and a value that is known.

// cycles: (1,), of one block. sum: (threads,), what each thread added up. Every warp reads the same 16 bytes of shared
// memory at once, `rounds` times 64 of them. zero: 0, which the compiler does not know.
extern "C" __global__ void uniform_loads(int rounds, int zero, long long *cycles, float *sum) {
    __shared__ float4 x[64];
    if (threadIdx.x < 64)
        x[threadIdx.x] = make_float4(threadIdx.x, 1.0f, 2.0f, 3.0f);
    __syncthreads();
    float total = 0.0f;
    long long begin = clock64();
    for (int round = 0; round < rounds; round++) {
        const float4 *row = x + round * zero;
#pragma unroll
        for (int k = 0; k < 64; k++) {
            float4 v = row[k];
            total += (v.x + v.y) + (v.z + v.w);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0)
        cycles[0] = clock64() - begin;
    sum[threadIdx.x] = total;
}

// next: (n,), a ring of places; cycles: (1,), of `steps` steps along it from place 0, each waiting for the one before;
// last: (1,), where they end. __ldcg reads from the second cache.
extern "C" __global__ void chase(const int *next, int steps, long long *cycles, int *last) {
    int at = 0;
    long long begin = clock64();
    for (int i = 0; i < steps; i++)
        at = __ldcg(next + at);
    cycles[0] = clock64() - begin;
    last[0] = at;
}

extern "C" __global__ void nothing(int *count) {
    if (threadIdx.x == 0)
        atomicAdd(count, 1);
}

// arrived: (1,), zero. All blocks meet `rounds` times; rounds_done: (blocks,). A block that waits for too long gives up,
// so that blocks which are not on the device at once end, too.
extern "C" __global__ void barrier(int rounds, int *arrived, int *rounds_done) {
    __shared__ int given_up;
    int done = 0;
    for (; done < rounds; done++) {
        __syncthreads();
        if (threadIdx.x == 0) {
            __threadfence();
            atomicAdd(arrived, 1);
            int wanted = (done + 1) * gridDim.x;
            long long patience = 1000000;
            while (*(volatile int *)arrived < wanted && patience > 0)
                patience--;
            given_up = patience == 0;
            __threadfence();
        }
        __syncthreads();
        if (given_up)
            break;
    }
    if (threadIdx.x == 0)
        rounds_done[blockIdx.x] = done;
}
