/* Compiled bodies of what a step makes of what it saw; what they compute stands in output.py. */
#include "gpurnn/operations.h"

void bias_tanh(int64_t K, int64_t N, REAL *restrict y, const REAL *restrict b) {
    for (int64_t row = 0; row < N; row++, y += K)
        for (int64_t k = 0; k < K; k++)
            y[k] = TANH(y[k] + b[k]);
}

void tanh_error(int64_t K, int64_t N, REAL *restrict d, const REAL *restrict y, const REAL *restrict dy) {
    for (int64_t i = 0; i < N * K; i++)
        d[i] = dy[i] * (1 - y[i] * y[i]);
}
