/* The compiled body of what a linear layer adds to its product; what it computes stands in linear.py. */
#include "gpurnn/operations.h"

void add_bias(int64_t K, int64_t N, REAL *restrict y, const REAL *restrict b) {
    for (int64_t row = 0; row < N; row++, y += K)
        for (int64_t k = 0; k < K; k++)
            y[k] += b[k];
}
