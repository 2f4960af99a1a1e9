/* Compiled bodies of what reverses rows; what they compute stands in directions.py. */
#include "gpurnn/operations.h"

INLINE void copy(REAL *restrict to, const REAL *restrict from, int64_t columns) {
    memcpy(to, from, (size_t)columns * sizeof(REAL));
}

void reverse_rows(int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict x, REAL *restrict y) {
    for (int64_t t = 0; t < N; t++)
        copy(y + t * lanes * H, x + (N - 1 - t) * lanes * H, B * H);
}

void add_reversed(int64_t B, int64_t lanes, int64_t H, int64_t N, REAL *restrict y, const REAL *restrict x) {
    for (int64_t t = 0; t < N; t++) {
        REAL *to = y + t * lanes * H;
        const REAL *from = x + (N - 1 - t) * lanes * H;
        for (int64_t j = 0; j < B * H; j++)
            to[j] += from[j];
    }
}

void join_directions(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict ahead, const REAL *restrict reverse,
    REAL *restrict y) {
    for (int64_t t = 0; t < N; t++)
        for (int64_t lane = 0; lane < B; lane++) {
            REAL *to = y + (t * lanes + lane) * 2 * H;
            copy(to, ahead + (t * lanes + lane) * H, H);
            copy(to + H, reverse + ((N - 1 - t) * lanes + lane) * H, H);
        }
}

void part_directions(
    int64_t B, int64_t lanes, int64_t H, int64_t N, const REAL *restrict y, REAL *restrict ahead,
    REAL *restrict reverse) {
    for (int64_t t = 0; t < N; t++)
        for (int64_t lane = 0; lane < B; lane++) {
            const REAL *from = y + (t * lanes + lane) * 2 * H;
            copy(ahead + (t * lanes + lane) * H, from, H);
            copy(reverse + ((N - 1 - t) * lanes + lane) * H, from + H, H);
        }
}
