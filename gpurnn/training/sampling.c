/* Compiled body of scheduled sampling; the rule stands in sampling.py. */
#include "gpurnn/operations.h"

void own_symbols(
    int64_t K, int64_t N, intptr_t *restrict tokens, const REAL *restrict o, const REAL *restrict carry,
    const REAL *restrict kept) {
    for (int64_t row = 0; row < N; row++, o += K) {
        if (carry[row] == 0 || kept[row] != 0)
            continue;
        int64_t best = 0;
        for (int64_t k = 1; k < K; k++)
            best = o[k] > o[best] ? k : best;
        tokens[row] = best;
    }
}
