/* Dropout masks from Philox4x64-10, bit for bit NumPy's; Backend.dropout_mask says which. Source: Salmon et al. 2011,
   Parallel random numbers: as easy as 1, 2, 3. */
#include "kernels.h"
#include "real.h"

INLINE uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high) {
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

INLINE void philox(uint64_t word[4], uint64_t key0, uint64_t key1) {
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B97F4A7C15u, key1 += 0xBB67AE8584CAA73Bu) {
        uint64_t high0, high1;
        uint64_t low0 = multiply(0xD2E7470EE14C6C93u, word[0], &high0);
        uint64_t low1 = multiply(0xCA5A826395121157u, word[2], &high1);
        word[0] = high1 ^ word[1] ^ key0;
        word[1] = low1;
        word[2] = high0 ^ word[3] ^ key1;
        word[3] = low0;
    }
}

#include "kernels.h"

/* Eight elements come from one Philox block of four words; NumPy counts before its first block. */
void NAME(dropout_mask)(
    int64_t first, int64_t count, void *mask, int64_t window, uint64_t seed, uint64_t layer, double p, double scale) {
    enum { OF_A_BLOCK = 8 };
    REAL *restrict out = mask;
    const float least = (float)p;
    const REAL kept = (REAL)scale;
    int64_t end = first + count;
    for (int64_t block = first / OF_A_BLOCK; OF_A_BLOCK * block < end; block++) {
        uint64_t word[4] = {(uint64_t)block + 1, (uint64_t)window, 0, 0};
        philox(word, seed, layer);
        int32_t bits[OF_A_BLOCK];
        for (int i = 0; i < 4; i++) {
            bits[2 * i] = (int32_t)((uint32_t)word[i] >> 8);
            bits[2 * i + 1] = (int32_t)(word[i] >> 40);
        }
        REAL drawn[OF_A_BLOCK];
        for (int i = 0; i < OF_A_BLOCK; i++)
            drawn[i] = (float)bits[i] * (1.0f / 16777216.0f) >= least ? kept : 0;
        int64_t begin = OF_A_BLOCK * block, from = begin < first ? first - begin : 0;
        int64_t upto = end - begin < OF_A_BLOCK ? end - begin : OF_A_BLOCK;
        memcpy(out, drawn + from, (size_t)(upto - from) * sizeof(REAL));
        out += upto - from;
    }
}
