/* Compiled bodies of the simple cells; what they compute stands in simple.py. */
#ifndef REAL
#include "real.h"
#include "sets.h"
#else

BODY(simple_forward, "(B,H) (B,H) (H) *(B,H)") {
    const REAL *restrict a = arg[0], *restrict r = arg[1], *restrict b = arg[2];
    REAL *restrict h = arg[3];
    int64_t B = dim[0], H = dim[1];
    for (int64_t lane = 0; lane < B; lane++, a += H, r += H, h += H)
        for (int64_t j = 0; j < H; j++)
            h[j] = TANH(a[j] + r[j] + b[j]);
}

BODY(simple_backward, "(B,H) (B,H) (B,H) *(B,H)") {
    const REAL *restrict dh_out = arg[0], *restrict dh_rec = arg[1], *restrict h = arg[2];
    REAL *restrict a = arg[3];
    int64_t n = dim[0] * dim[1];
    for (int64_t j = 0; j < n; j++)
        a[j] = (dh_out[j] + dh_rec[j]) * FMA(-h[j], h[j], 1);
}

BODY(simple_relu_forward, "(B,H) (B,H) (H) *(B,H)") {
    const REAL *restrict a = arg[0], *restrict r = arg[1], *restrict b = arg[2];
    REAL *restrict h = arg[3];
    int64_t B = dim[0], H = dim[1];
    for (int64_t lane = 0; lane < B; lane++, a += H, r += H, h += H)
        for (int64_t j = 0; j < H; j++) {
            REAL x = a[j] + r[j] + b[j];
            h[j] = x < 0 ? 0 : x; /* NaN stays NaN */
        }
}

BODY(simple_relu_backward, "(B,H) (B,H) (B,H) *(B,H)") {
    const REAL *restrict dh_out = arg[0], *restrict dh_rec = arg[1], *restrict h = arg[2];
    REAL *restrict a = arg[3];
    int64_t n = dim[0] * dim[1];
    for (int64_t j = 0; j < n; j++)
        a[j] = (dh_out[j] + dh_rec[j]) * (REAL)(h[j] > 0);
}

#endif
