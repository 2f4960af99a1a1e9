/* Compiled bodies of attentions; what they compute stands in dot.py and additive.py. */
#include "gpurnn/operations.h"

/* Where a sequence lies in its lane of the source: its first row and the number of its steps. */
typedef struct {
    int64_t row, steps;
} Source;

INLINE Source source_of(const intptr_t *restrict first, const intptr_t *restrict last, int64_t n, int64_t B) {
    int64_t steps = last[n] / B - first[n] / B + 1;
    return (Source){first[n], steps > 0 ? steps : 0};
}

/* 16 sums at a time: an order that does not depend on the processor. */
INLINE REAL dot(const REAL *restrict x, const REAL *restrict y, int64_t K) {
    REAL part[16] = {0}, total = 0;
    int64_t whole = K - K % 16;
    for (int64_t k = 0; k < whole; k += 16)
        for (int lane = 0; lane < 16; lane++)
            part[lane] = FMA(x[k + lane], y[k + lane], part[lane]);
    for (int lane = 0; lane < 16; lane++)
        total += part[lane];
    for (int64_t k = whole; k < K; k++)
        total = FMA(x[k], y[k], total);
    return total;
}

/* to: (K,), factor x is added. */
INLINE void add_times(REAL *restrict to, REAL factor, const REAL *restrict x, int64_t K) {
    for (int64_t k = 0; k < K; k++)
        to[k] = FMA(factor, x[k], to[k]);
}

/* v . tanh(q + key) */
INLINE REAL score_of(const REAL *restrict q, const REAL *restrict key, const REAL *restrict v, int64_t H) {
    REAL part[16] = {0}, total = 0;
    int64_t whole = H - H % 16;
    for (int64_t j = 0; j < whole; j += 16)
        for (int lane = 0; lane < 16; lane++)
            part[lane] = FMA(v[j + lane], TANH(q[j + lane] + key[j + lane]), part[lane]);
    for (int lane = 0; lane < 16; lane++)
        total += part[lane];
    for (int64_t j = whole; j < H; j++)
        total = FMA(v[j], TANH(q[j] + key[j]), total);
    return total;
}

INLINE void softmax_of(REAL *restrict scores, int64_t n) {
    REAL top = scores[0], total = 0;
    for (int64_t s = 0; s < n; s++)
        top = scores[s] > top || scores[s] != scores[s] ? scores[s] : top;
    for (int64_t s = 0; s < n; s++) {
        scores[s] = EXPM1_NEGATIVE(scores[s] - top) + 1;
        total += scores[s];
    }
    for (int64_t s = 0; s < n; s++)
        scores[s] /= total;
}

/* c: (K,), overwritten with the sum of the rows of e, each times its share. */
INLINE void mean_of(REAL *restrict c, const REAL *restrict a, const REAL *restrict e, int64_t steps, int64_t down, int64_t K) {
    memset(c, 0, (size_t)K * sizeof(REAL));
    for (int64_t s = 0; s < steps; s++)
        add_times(c, a[s], e + s * down, K);
}

/* d: overwritten with the errors of the scores of a step, from the error of its c. */
INLINE void score_errors(
    REAL *restrict d, const REAL *restrict a, const REAL *restrict dc, const REAL *restrict e, int64_t steps,
    int64_t down, int64_t K) {
    REAL mean = 0;
    for (int64_t s = 0; s < steps; s++) {
        d[s] = dot(dc, e + s * down, K);
        mean = FMA(a[s], d[s], mean);
    }
    for (int64_t s = 0; s < steps; s++)
        d[s] = a[s] * (d[s] - mean);
}

void dot_attention(
    int64_t B, int64_t C, int64_t K, int64_t N, int64_t Q, REAL *restrict c, REAL *restrict a, const REAL *restrict q,
    const REAL *restrict e, const intptr_t *restrict pair, const intptr_t *restrict first,
    const intptr_t *restrict last) {
    (void)C;
    for (int64_t row = 0; row < N; row++, c += K, a += Q, q += K) {
        Source source = source_of(first, last, pair[row], B);
        const REAL *rows = e + source.row * K;
        REAL *scores = a + source.row / B;
        memset(a, 0, (size_t)Q * sizeof(REAL));
        for (int64_t s = 0; s < source.steps; s++)
            scores[s] = dot(q, rows + s * B * K, K);
        softmax_of(scores, source.steps);
        mean_of(c, scores, rows, source.steps, B * K, K);
    }
}

void dot_attention_error(
    int64_t B, int64_t C, int64_t K, int64_t N, int64_t Q, REAL *restrict dq, REAL *restrict dscore, REAL *restrict de,
    const REAL *restrict dc, const REAL *restrict a, const REAL *restrict q, const REAL *restrict e,
    const intptr_t *restrict first, const intptr_t *restrict last, const intptr_t *restrict begin,
    const intptr_t *restrict end, const REAL *restrict there) {
    for (int64_t n = 0; n < C; n++) {
        if (!(there[n] > 0))
            continue;
        Source source = source_of(first, last, n, B);
        for (int64_t row = begin[n]; row <= end[n] && row < N; row += B) {
            REAL *errors = dscore + row * Q + source.row / B;
            const REAL *shares = a + row * Q + source.row / B;
            score_errors(errors, shares, dc + row * K, e + source.row * K, source.steps, B * K, K);
            mean_of(dq + row * K, errors, e + source.row * K, source.steps, B * K, K);
            for (int64_t s = 0; s < source.steps; s++) {
                REAL *to = de + (source.row + s * B) * K;
                add_times(to, shares[s], dc + row * K, K);
                add_times(to, errors[s], q + row * K, K);
            }
        }
    }
}

void additive_attention(
    int64_t B, int64_t C, int64_t H, int64_t K, int64_t N, int64_t Q, REAL *restrict c, REAL *restrict a,
    const REAL *restrict q, const REAL *restrict key, const REAL *restrict v, const REAL *restrict e,
    const intptr_t *restrict pair, const intptr_t *restrict first, const intptr_t *restrict last) {
    (void)C;
    for (int64_t row = 0; row < N; row++, c += K, a += Q, q += H) {
        Source source = source_of(first, last, pair[row], B);
        REAL *scores = a + source.row / B;
        memset(a, 0, (size_t)Q * sizeof(REAL));
        for (int64_t s = 0; s < source.steps; s++)
            scores[s] = score_of(q, key + (source.row + s * B) * H, v, H);
        softmax_of(scores, source.steps);
        mean_of(c, scores, e + source.row * K, source.steps, B * K, K);
    }
}

/* What the error of one score adds to those of q and of the key, and to the gradient of v. */
INLINE void errors_of_score(
    REAL error, const REAL *restrict q, const REAL *restrict key, const REAL *restrict v, REAL *restrict dq,
    REAL *restrict dkey, REAL *restrict dv, int64_t H) {
    for (int64_t j = 0; j < H; j++) {
        REAL u = TANH(q[j] + key[j]), d = error * v[j] * FMA(-u, u, 1);
        dq[j] += d;
        dkey[j] += d;
        dv[j] = FMA(error, u, dv[j]);
    }
}

void additive_attention_error(
    int64_t B, int64_t C, int64_t H, int64_t K, int64_t N, int64_t Q, REAL *restrict dq, REAL *restrict dscore,
    REAL *restrict de, REAL *restrict dkey, REAL *restrict dv, const REAL *restrict dc, const REAL *restrict a,
    const REAL *restrict q, const REAL *restrict key, const REAL *restrict v, const REAL *restrict e,
    const intptr_t *restrict first, const intptr_t *restrict last, const intptr_t *restrict begin,
    const intptr_t *restrict end, const REAL *restrict there) {
    for (int64_t n = 0; n < C; n++, dv += H) {
        memset(dv, 0, (size_t)H * sizeof(REAL));
        if (!(there[n] > 0))
            continue;
        Source source = source_of(first, last, n, B);
        for (int64_t row = begin[n]; row <= end[n] && row < N; row += B) {
            REAL *errors = dscore + row * Q + source.row / B;
            const REAL *shares = a + row * Q + source.row / B;
            score_errors(errors, shares, dc + row * K, e + source.row * K, source.steps, B * K, K);
            memset(dq + row * H, 0, (size_t)H * sizeof(REAL));
            for (int64_t s = 0; s < source.steps; s++) {
                int64_t at = source.row + s * B;
                add_times(de + at * K, shares[s], dc + row * K, K);
                errors_of_score(errors[s], q + row * H, key + at * H, v, dq + row * H, dkey + at * H, dv, H);
            }
        }
    }
}
