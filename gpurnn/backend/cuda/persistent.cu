// In front of every persistent kernel: a vector-matrix product whose matrix stays on the chip for all steps.
// Each of the THREADS threads of a block keeps LENGTH weights, the first REGISTERS of them in registers, the others
// in shared memory. PADDED: LENGTH rounded up to a multiple of 4; weights beyond LENGTH are 0, so that vectors can be
// read four elements at a time.

// held, rest: overwritten with the calling thread's weights, first[0], first[stride], ...
static __device__ __forceinline__ void keep_weights(float (&held)[REGISTERS], float* rest, const float* first,
                                                    int stride)
{
#pragma unroll
    for (int k = 0; k < REGISTERS; k++)
        held[k] = k < LENGTH ? first[(long long)k * stride] : 0.0f;
    for (int k = REGISTERS; k < PADDED; k++)
        rest[(k - REGISTERS) * THREADS + threadIdx.x] = k < LENGTH ? first[(long long)k * stride] : 0.0f;
}

// The calling thread's weights times x, in shared memory: PADDED elements, aligned to 16 bytes, 0 beyond LENGTH.
static __device__ __forceinline__ float product(const float (&held)[REGISTERS], const float* rest, const float* x)
{
    float sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
#pragma unroll
    for (int k = 0; k < REGISTERS; k += 4) {
        const float4 part = *(const float4*)(x + k);
        sum0 += held[k] * part.x;
        sum1 += held[k + 1] * part.y;
        sum2 += held[k + 2] * part.z;
        sum3 += held[k + 3] * part.w;
    }
#pragma unroll 4
    for (int k = REGISTERS; k < PADDED; k += 4) {
        const float* weight = rest + (k - REGISTERS) * THREADS + threadIdx.x;
        const float4 part = *(const float4*)(x + k);
        sum0 += weight[0] * part.x;
        sum1 += weight[THREADS] * part.y;
        sum2 += weight[2 * THREADS] * part.z;
        sum3 += weight[3 * THREADS] * part.w;
    }
    return (sum0 + sum1) + (sum2 + sum3);
}

// x: n elements of shared memory, overwritten with zeros. The caller synchronises.
static __device__ __forceinline__ void clear(float* x, int n)
{
    for (int k = threadIdx.x; k < n; k += THREADS)
        x[k] = 0;
}

static __device__ __forceinline__ float sigmoid(float x)
{
    return 0.5f * tanhf(0.5f * x) + 0.5f;
}
