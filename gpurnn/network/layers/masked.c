/* The compiled body of what masks rows; what it computes stands in masked.py. */
#include "gpurnn/operations.h"

void mask_rows(int64_t H, int64_t N, const REAL *restrict x, const REAL *restrict carry, REAL *restrict y) {
    for (int64_t row = 0; row < N; row++, x += H, y += H)
        for (int64_t j = 0; j < H; j++)
            y[j] = x[j] * carry[row];
}
