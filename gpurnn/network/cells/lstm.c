/* Compiled bodies of the LSTM cell; what they compute stands in lstm.py. */
#include "gpurnn/operations.h"

INLINE void lstm_state(
    int64_t H, const REAL *restrict a, const REAL *restrict c_prev, REAL *restrict c, REAL *restrict tc, REAL *restrict h) {
    for (int64_t j = 0; j < H; j++) {
        REAL state = FMA(a[H + j], c_prev[j], a[j] * a[2 * H + j]), squashed = TANH(state);
        c[j] = state;
        tc[j] = squashed;
        h[j] = a[3 * H + j] * squashed;
    }
}

void lstm_forward(
    int64_t B, int64_t H, REAL *restrict a, const REAL *restrict r, const REAL *restrict b, const REAL *restrict c_prev,
    REAL *restrict c, REAL *restrict tc, REAL *restrict h) {
    for (int64_t lane = 0; lane < B; lane++, a += 4 * H, r += 4 * H, c_prev += H, c += H, tc += H, h += H) {
        for (int64_t j = 0; j < 2 * H; j++)
            a[j] = SIGMOID(a[j] + r[j] + b[j]); /* i and f stand side by side */
        for (int64_t j = 2 * H; j < 3 * H; j++)
            a[j] = TANH(a[j] + r[j] + b[j]);
        for (int64_t j = 3 * H; j < 4 * H; j++)
            a[j] = SIGMOID(a[j] + r[j] + b[j]);
        lstm_state(H, a, c_prev, c, tc, h);
    }
}

/* i, f, g, o: gates, overwritten with their errors. */
INLINE void lstm_errors(
    int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_c, const REAL *restrict c_prev,
    const REAL *restrict tc, REAL *restrict i, REAL *restrict f, REAL *restrict g, REAL *restrict o) {
    for (int64_t j = 0; j < H; j++) {
        REAL in = i[j], forget = f[j], candidate = g[j], out = o[j];
        REAL dh = dh_out[j] + dh_rec[j];
        REAL dc = FMA(dh * out, FMA(-tc[j], tc[j], 1), e_c[j]);
        i[j] = dc * candidate * in * (1 - in);
        f[j] = dc * c_prev[j] * forget * (1 - forget);
        g[j] = dc * in * FMA(-candidate, candidate, 1);
        o[j] = dh * tc[j] * out * (1 - out);
        e_c[j] = dc * forget;
    }
}

void lstm_backward(
    int64_t B, int64_t H, const REAL *restrict dh_out, const REAL *restrict dh_rec, REAL *restrict e_c,
    const REAL *restrict c_prev, const REAL *restrict tc, REAL *restrict a) {
    for (int64_t lane = 0; lane < B; lane++, dh_out += H, dh_rec += H, e_c += H, c_prev += H, tc += H, a += 4 * H)
        lstm_errors(H, dh_out, dh_rec, e_c, c_prev, tc, a, a + H, a + 2 * H, a + 3 * H);
}
