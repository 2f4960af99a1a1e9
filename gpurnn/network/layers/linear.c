/* The compiled body of what a linear layer adds to its product; what it computes stands in linear.py. */
#ifndef REAL
#include "real.h"
#include "sets.h"
#else

BODY(add_bias, "*(N,K) (K)") {
    REAL *restrict y = arg[0];
    const REAL *restrict b = arg[1];
    int64_t K = dim[0], N = dim[1];
    for (int64_t row = 0; row < N; row++, y += K)
        for (int64_t k = 0; k < K; k++)
            y[k] += b[k];
}

#endif
