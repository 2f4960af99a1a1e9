/* Compiled bodies for the ends of sources; what they compute stands in encoder.py. */
#include "gpurnn/operations.h"

void take_ends(
    int64_t B, int64_t C, int64_t K, int64_t Q, REAL *restrict x, const REAL *restrict e, const intptr_t *restrict last,
    const intptr_t *restrict first) {
    int64_t half = K / 2;
    (void)B, (void)Q;
    for (int64_t n = 0; n < C; n++, x += K) {
        memcpy(x, e + last[n] * K, (size_t)half * sizeof(REAL));
        memcpy(x + half, e + first[n] * K + half, (size_t)(K - half) * sizeof(REAL));
    }
}

void add_ends(
    int64_t B, int64_t C, int64_t K, int64_t Q, REAL *restrict e, const REAL *restrict dx, const intptr_t *restrict last,
    const intptr_t *restrict first, const REAL *restrict there) {
    (void)B, (void)Q;
    for (int64_t n = 0; n < C; n++, dx += K)
        if (there[n] > 0) {
            REAL *to_last = e + last[n] * K, *to_first = e + first[n] * K;
            for (int64_t k = 0; k < K / 2; k++)
                to_last[k] += dx[k];
            for (int64_t k = K / 2; k < K; k++)
                to_first[k] += dx[k];
        }
}
