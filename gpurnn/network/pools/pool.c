/* Compiled bodies of pools; what they compute stands in their own files. */
#include "gpurnn/operations.h"

enum { BLOCK = 256 }; /* columns whose sums are kept at hand: they stay in the cache */

/* Whether a sequence begins in this lane at step t; behind the last step one does. */
INLINE int begins(const REAL *restrict carry, int64_t t, int64_t N, int64_t lanes, int64_t lane) {
    return t == 0 || t == N || carry[t * lanes + lane] == 0;
}

INLINE int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void mean_pool(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z) {
    double total[BLOCK];
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t first = 0; first < H; first += BLOCK) {
            int64_t columns = smaller(BLOCK, H - first), count = 0;
            for (int64_t t = 0; t < N; t++) {
                const REAL *from = y + (t * lanes + lane) * H + first;
                REAL *to = z + (t * lanes + lane) * H + first;
                if (begins(carry, t, N, lanes, lane)) {
                    memset(total, 0, sizeof total);
                    count = 0;
                }
                count++;
                for (int64_t j = 0; j < columns; j++) {
                    total[j] += from[j];
                    to[j] = (REAL)total[j] / (REAL)count;
                }
            }
        }
}

/* How many steps of its sequence a lane has read after step t. */
INLINE int64_t steps_read(const REAL *restrict carry, int64_t t, int64_t N, int64_t lanes, int64_t lane) {
    int64_t count = 1;
    for (; !begins(carry, t, N, lanes, lane); t--)
        count++;
    return count;
}

void mean_pool_error(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz, const REAL *restrict carry,
    REAL *restrict dy) {
    double total[BLOCK];
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t first = 0; first < H; first += BLOCK) {
            int64_t columns = smaller(BLOCK, H - first), count = 0;
            for (int64_t t = N - 1; t >= 0; t--) {
                const REAL *from = dz + (t * lanes + lane) * H + first;
                REAL *to = dy + (t * lanes + lane) * H + first;
                if (begins(carry, t + 1, N, lanes, lane)) {
                    memset(total, 0, sizeof total);
                    count = steps_read(carry, t, N, lanes, lane);
                }
                for (int64_t j = 0; j < columns; j++) {
                    total[j] += from[j] / (REAL)count;
                    to[j] = (REAL)total[j];
                }
                count--;
            }
        }
}

void max_pool(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z) {
    for (int64_t t = 0; t < N; t++)
        for (int64_t lane = 0; lane < B; lane++) {
            const REAL *from = y + (t * lanes + lane) * H;
            REAL *to = z + (t * lanes + lane) * H;
            const REAL *before = begins(carry, t, N, lanes, lane) ? from : to - lanes * H;
            for (int64_t j = 0; j < H; j++)
                to[j] = from[j] > before[j] || from[j] != from[j] ? from[j] : before[j];
        }
}

void max_pool_error(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz, const REAL *restrict carry,
    REAL *restrict dy, const REAL *restrict z) {
    double total[BLOCK];
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t first = 0; first < H; first += BLOCK) {
            int64_t columns = smaller(BLOCK, H - first);
            memset(total, 0, sizeof total);
            for (int64_t t = N - 1; t >= 0; t--) {
                int64_t place = (t * lanes + lane) * H + first;
                int begin = begins(carry, t, N, lanes, lane);
                const REAL *largest = z + place, *before = begin ? largest : largest - lanes * H;
                for (int64_t j = 0; j < columns; j++) {
                    double sum = total[j] + dz[place + j];
                    int rose = begin || largest[j] != before[j];
                    dy[place + j] = rose ? (REAL)sum : 0;
                    total[j] = rose ? 0 : sum;
                }
            }
        }
}

void last_pool(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, const REAL *restrict carry,
    REAL *restrict z) {
    for (int64_t t = 0; t < N; t++)
        for (int64_t lane = 0; lane < B; lane++) {
            const REAL *from = y + (t * lanes + lane) * 2 * H;
            REAL *to = z + (t * lanes + lane) * 2 * H;
            const REAL *reverse = begins(carry, t, N, lanes, lane) ? from : to - lanes * 2 * H;
            memcpy(to, from, (size_t)H * sizeof(REAL));
            memcpy(to + H, reverse + H, (size_t)H * sizeof(REAL));
        }
}

void last_pool_error(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict dz, const REAL *restrict carry,
    REAL *restrict dy) {
    double total[BLOCK];
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t first = 0; first < H; first += BLOCK) {
            int64_t columns = smaller(BLOCK, H - first);
            memset(total, 0, sizeof total);
            for (int64_t t = N - 1; t >= 0; t--) {
                int64_t place = (t * lanes + lane) * 2 * H + first;
                int begin = begins(carry, t, N, lanes, lane);
                memcpy(dy + place, dz + place, (size_t)columns * sizeof(REAL));
                for (int64_t j = 0; j < columns; j++) {
                    double sum = total[j] + dz[place + H + j];
                    dy[place + H + j] = begin ? (REAL)sum : 0;
                    total[j] = begin ? 0 : sum;
                }
            }
        }
}
