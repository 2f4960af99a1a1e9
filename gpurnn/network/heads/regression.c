/* Compiled bodies of the heads of real targets; what they compute stands in regression.py and in their own files. */
#include "gpurnn/operations.h"

/* l(d), and its slope; level: of the quantile, where there are levels. */
typedef REAL Curve(REAL d, REAL level, REAL *slope);

INLINE REAL sign(REAL d) {
    return d > 0 ? 1 : d < 0 ? -1 : d; /* NaN stays */
}

INLINE REAL absolute_curve(REAL d, REAL level, REAL *slope) {
    (void)level;
    *slope = sign(d);
    return d < 0 ? -d : d;
}

INLINE REAL squared_curve(REAL d, REAL level, REAL *slope) {
    (void)level;
    *slope = 2 * d;
    return d * d;
}

INLINE REAL huber_curve(REAL d, REAL level, REAL *slope) {
    (void)level;
    *slope = d > 1 ? 1 : d < -1 ? -1 : d;
    return *slope * (d - *slope / 2);
}

INLINE REAL quantile_curve(REAL d, REAL level, REAL *slope) {
    *slope = sign(d) / 2 - level + (REAL)0.5;
    return *slope * d;
}

/* Rows of C targets with Q outputs each; o: with a weight overwritten with its error. weight, scale: NULL to evaluate;
   levels: NULL where there are none. */
INLINE void all_rows(
    Curve *curve, int64_t C, int64_t Q, int64_t N, REAL *restrict o, const REAL *restrict target,
    const REAL *restrict levels, const REAL *restrict weight, const REAL *restrict scale, REAL *restrict losses) {
    const REAL share = (REAL)(C * Q);
    for (int64_t row = 0; row < N; row++, target += C) {
        REAL total = 0, factor = weight ? weight[row] * scale[0] / share : 0;
        for (int64_t c = 0; c < C; c++, o += Q) {
            int missing = isnan(target[c]);
            for (int64_t q = 0; q < Q; q++) {
                REAL slope = 0, loss = missing ? 0 : curve(o[q] - target[c], levels ? levels[q] : 0, &slope);
                total += loss;
                if (weight)
                    o[q] = missing ? 0 : slope * factor;
            }
        }
        losses[row] = total / share;
    }
}

void absolute(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses) {
    all_rows(absolute_curve, K, 1, N, o, target, NULL, NULL, NULL, losses);
}

void absolute_with_error(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict losses) {
    all_rows(absolute_curve, K, 1, N, o, target, NULL, weight, scale, losses);
}

void huber(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses) {
    all_rows(huber_curve, K, 1, N, o, target, NULL, NULL, NULL, losses);
}

void huber_with_error(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict losses) {
    all_rows(huber_curve, K, 1, N, o, target, NULL, weight, scale, losses);
}

void quantile(
    int64_t C, int64_t N, int64_t Q, REAL *restrict o, const REAL *restrict target, REAL *restrict losses,
    const REAL *restrict levels) {
    all_rows(quantile_curve, C, Q, N, o, target, levels, NULL, NULL, losses);
}

void quantile_with_error(
    int64_t C, int64_t N, int64_t Q, REAL *restrict o, const REAL *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict losses, const REAL *restrict levels) {
    all_rows(quantile_curve, C, Q, N, o, target, levels, weight, scale, losses);
}

void squared(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, REAL *restrict losses) {
    all_rows(squared_curve, K, 1, N, o, target, NULL, NULL, NULL, losses);
}

void squared_with_error(
    int64_t K, int64_t N, REAL *restrict o, const REAL *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict losses) {
    all_rows(squared_curve, K, 1, N, o, target, NULL, weight, scale, losses);
}
