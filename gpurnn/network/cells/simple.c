/* Compiled bodies of the simple cells; what they compute stands in simple.py. */
#include "gpurnn/operations.h"

void simple_forward(
    int64_t B, int64_t H, const REAL *restrict a, const REAL *restrict r, const REAL *restrict b, REAL *restrict h) {
    for (int64_t lane = 0; lane < B; lane++, a += H, r += H, h += H)
        for (int64_t j = 0; j < H; j++)
            h[j] = TANH(a[j] + r[j] + b[j]);
}

void simple_backward(
    int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, const REAL *restrict h, REAL *restrict a) {
    for (int64_t j = 0; j < B * H; j++)
        a[j] = (dh_out[j] + dh_rec[j]) * FMA(-h[j], h[j], 1);
}

void simple_relu_forward(
    int64_t B, int64_t H, const REAL *restrict a, const REAL *restrict r, const REAL *restrict b, REAL *restrict h) {
    for (int64_t lane = 0; lane < B; lane++, a += H, r += H, h += H)
        for (int64_t j = 0; j < H; j++) {
            REAL x = a[j] + r[j] + b[j];
            h[j] = x < 0 ? 0 : x; /* NaN stays NaN */
        }
}

void simple_relu_backward(
    int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, const REAL *restrict h, REAL *restrict a) {
    for (int64_t j = 0; j < B * H; j++)
        a[j] = (dh_out[j] + dh_rec[j]) * (REAL)(h[j] > 0);
}
