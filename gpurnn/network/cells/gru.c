/* Compiled bodies of the GRU cell; what they compute stands in gru.py. */
#include "gpurnn/operations.h"

INLINE void gru_state(
    int64_t H, const REAL *restrict rz, REAL *restrict n, REAL *restrict r_n, const REAL *restrict b_n,
    const REAL *restrict b_h, const REAL *restrict h_prev, REAL *restrict h) {
    for (int64_t j = 0; j < H; j++) {
        REAL recurrent = r_n[j] + b_h[j];
        REAL candidate = TANH(FMA(rz[j], recurrent, n[j] + b_n[j]));
        r_n[j] = recurrent;
        n[j] = candidate;
        h[j] = FMA(rz[H + j], h_prev[j] - candidate, candidate);
    }
}

void gru_forward(
    int64_t B, int64_t H, REAL *restrict a, REAL *restrict r, const REAL *restrict b, const REAL *restrict b_h,
    const REAL *restrict h_prev, REAL *restrict h) {
    for (int64_t lane = 0; lane < B; lane++, a += 3 * H, r += 3 * H, h_prev += H, h += H) {
        for (int64_t j = 0; j < 2 * H; j++)
            a[j] = SIGMOID(a[j] + r[j] + b[j]); /* r and z stand side by side */
        gru_state(H, a, a + 2 * H, r + 2 * H, b + 2 * H, b_h, h_prev, h);
    }
}

/* reset, z, n: gates, overwritten with their errors; r_n: its recurrent part, likewise. */
INLINE void gru_errors(
    int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_h, const REAL *restrict h_prev,
    REAL *restrict reset, REAL *restrict z, REAL *restrict n, REAL *restrict r_n) {
    for (int64_t j = 0; j < H; j++) {
        REAL keep = reset[j], update = z[j], candidate = n[j];
        REAL dh = dh_out[j] + dh_rec[j] + e_h[j];
        REAL da_n = dh * (1 - update) * FMA(-candidate, candidate, 1);
        reset[j] = da_n * r_n[j] * keep * (1 - keep);
        z[j] = dh * (h_prev[j] - candidate) * update * (1 - update);
        n[j] = da_n;
        r_n[j] = da_n * keep;
        e_h[j] = dh * update;
    }
}

void gru_backward(
    int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_h,
    const REAL *restrict h_prev, REAL *restrict a, REAL *restrict r) {
    for (int64_t lane = 0; lane < B; lane++, dh_out += H, dh_rec += H, e_h += H, h_prev += H, a += 3 * H, r += 3 * H) {
        gru_errors(H, dh_out, dh_rec, e_h, h_prev, a, a + H, a + 2 * H, r + 2 * H);
        memcpy(r, a, 2 * H * sizeof(REAL));
    }
}
