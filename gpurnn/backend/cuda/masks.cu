// Dropout masks from Philox4x64-10, bit for bit NumPy's. Source: Salmon et al. 2011, Parallel random numbers:
// as easy as 1, 2, 3.

typedef unsigned long long word;

static __device__ __forceinline__ void philox(word counter[4], word key0, word key1)
{
    for (int round = 0; round < 10; round++) {
        const word high0 = __umul64hi(0xD2E7470EE14C6C93ULL, counter[0]), low0 = 0xD2E7470EE14C6C93ULL * counter[0];
        const word high1 = __umul64hi(0xCA5A826395121157ULL, counter[2]), low1 = 0xCA5A826395121157ULL * counter[2];
        counter[0] = high1 ^ counter[1] ^ key0;
        counter[1] = low1;
        counter[2] = high0 ^ counter[3] ^ key1;
        counter[3] = low0;
        key0 += 0x9E3779B97F4A7C15ULL;
        key1 += 0xBB67AE8584CAA73BULL;
    }
}

static __device__ __forceinline__ REAL kept(unsigned int bits, float p, REAL scale)
{
    return (float)(bits >> 8) * (1.0f / 16777216.0f) >= p ? scale : REAL(0);
}

// out (n,): 0 with probability p, else scale. One thread a Philox block: four words, eight uniforms.
// NumPy increments the counter before its first block, so block j has counter (j + 1, window, 0, 0).
extern "C" __global__ void dropout_mask(REAL* out, const long long* window, word seed, word layer, float p,
                                        double scale, long long n)
{
    const long long block = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (8 * block >= n)
        return;
    word words[4] = {(word)block + 1, (word)window[0], 0, 0};
    philox(words, seed, layer);
#pragma unroll
    for (int i = 0; i < 8; i++)  // unrolled, so that the words stay in registers
        if (8 * block + i < n)
            out[8 * block + i] = kept((unsigned int)(words[i / 2] >> (i % 2 * 32)), p, (REAL)scale);
}
