/* Compiled bodies of the GRU cell; what they compute stands in gru.py. */
#ifndef REAL
#include "real.h"
#include "sets.h"
#else

INLINE void NAME(gru_state)(
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

BODY(gru_forward, "*(B,3H) *(B,3H) (3H) (H) (B,H) *(B,H)") {
    REAL *restrict a = arg[0], *restrict r = arg[1];
    const REAL *restrict b = arg[2], *restrict b_h = arg[3], *restrict h_prev = arg[4];
    REAL *restrict h = arg[5];
    int64_t B = dim[0], H = dim[1];
    for (int64_t lane = 0; lane < B; lane++, a += 3 * H, r += 3 * H, h_prev += H, h += H) {
        for (int64_t j = 0; j < 2 * H; j++)
            a[j] = SIGMOID(a[j] + r[j] + b[j]); /* r and z stand side by side */
        NAME(gru_state)(H, a, a + 2 * H, r + 2 * H, b + 2 * H, b_h, h_prev, h);
    }
}

/* reset, z, n: gates, overwritten with their errors; r_n: its recurrent part, likewise. */
INLINE void NAME(gru_errors)(
    int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e, const REAL *restrict h_prev,
    REAL *restrict reset, REAL *restrict z, REAL *restrict n, REAL *restrict r_n) {
    for (int64_t j = 0; j < H; j++) {
        REAL keep = reset[j], update = z[j], candidate = n[j];
        REAL dh = dh_out[j] + dh_rec[j] + e[j];
        REAL da_n = dh * (1 - update) * FMA(-candidate, candidate, 1);
        reset[j] = da_n * r_n[j] * keep * (1 - keep);
        z[j] = dh * (h_prev[j] - candidate) * update * (1 - update);
        n[j] = da_n;
        r_n[j] = da_n * keep;
        e[j] = dh * update;
    }
}

BODY(gru_backward, "(B,H) (B,H) *(B,H) (B,H) *(B,3H) *(B,3H)") {
    const REAL *restrict dh_out = arg[0], *restrict dh_rec = arg[1];
    REAL *restrict e = arg[2];
    const REAL *restrict h_prev = arg[3];
    REAL *restrict a = arg[4], *restrict r = arg[5];
    int64_t B = dim[0], H = dim[1];
    for (int64_t lane = 0; lane < B; lane++, dh_out += H, dh_rec += H, e += H, h_prev += H, a += 3 * H, r += 3 * H) {
        NAME(gru_errors)(H, dh_out, dh_rec, e, h_prev, a, a + H, a + 2 * H, r + 2 * H);
        memcpy(r, a, 2 * H * sizeof(REAL));
    }
}

#endif
