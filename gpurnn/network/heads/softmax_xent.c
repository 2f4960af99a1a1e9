/* Compiled bodies of softmax and cross-entropy; what they compute stands in softmax_xent.py and smoothed_softmax.py. */
#include "gpurnn/operations.h"

/* o: overwritten with exp(o - max o); returns the sum of that. nats: -log softmax(o)[target]. */
INLINE REAL shifted_exp(REAL *restrict o, int64_t K, int64_t target, REAL *nats) {
    REAL part[16], top, total = 0; /* 16 sums at a time: an order that does not depend on the processor */
    int64_t whole = K - K % 16;
    top = o[0];
    for (int64_t k = 0; k < K; k++)
        top = o[k] > top || o[k] != o[k] ? o[k] : top;
    REAL at_target = o[target] - top;
    memset(part, 0, sizeof part);
    for (int64_t k = 0; k < K; k++)
        o[k] = EXPM1_NEGATIVE(o[k] - top) + 1;
    for (int64_t k = 0; k < whole; k += 16)
        for (int lane = 0; lane < 16; lane++)
            part[lane] += o[k + lane];
    for (int lane = 0; lane < 16; lane++)
        total += part[lane];
    for (int64_t k = whole; k < K; k++)
        total += o[k];
    *nats = (REAL)log((double)total) - at_target;
    return total;
}

void softmax_xent(
    int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict nats) {
    for (int64_t row = 0; row < N; row++, o += K) {
        REAL total = shifted_exp(o, K, target[row], &nats[row]);
        REAL factor = weight[row] * scale[0], share = factor / total;
        for (int64_t k = 0; k < K; k++)
            o[k] *= share;
        o[target[row]] -= factor;
    }
}

void xent(int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, REAL *restrict nats) {
    for (int64_t row = 0; row < N; row++, o += K)
        shifted_exp(o, K, target[row], &nats[row]);
}

/* What smoothing adds to a loss: e (o[target] - mean o). */
INLINE REAL spread(const REAL *restrict o, int64_t K, int64_t target, REAL smoothing) {
    REAL part[16] = {0}, total = 0;
    int64_t whole = K - K % 16;
    for (int64_t k = 0; k < whole; k += 16)
        for (int lane = 0; lane < 16; lane++)
            part[lane] += o[k + lane];
    for (int lane = 0; lane < 16; lane++)
        total += part[lane];
    for (int64_t k = whole; k < K; k++)
        total += o[k];
    return smoothing * (o[target] - total / (REAL)K);
}

void smoothed_softmax_xent(
    int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, const REAL *restrict weight,
    const REAL *restrict scale, REAL *restrict nats, const REAL *restrict smoothing) {
    for (int64_t row = 0; row < N; row++, o += K) {
        REAL more = spread(o, K, target[row], smoothing[0]), total = shifted_exp(o, K, target[row], &nats[row]);
        REAL factor = weight[row] * scale[0], share = factor / total, of_each = factor * smoothing[0] / (REAL)K;
        for (int64_t k = 0; k < K; k++)
            o[k] = o[k] * share - of_each;
        o[target[row]] -= factor * (1 - smoothing[0]);
        nats[row] += more;
    }
}

void smoothed_xent(
    int64_t K, int64_t N, REAL *restrict o, const intptr_t *restrict target, REAL *restrict nats,
    const REAL *restrict smoothing) {
    for (int64_t row = 0; row < N; row++, o += K) {
        REAL more = spread(o, K, target[row], smoothing[0]);
        shifted_exp(o, K, target[row], &nats[row]);
        nats[row] += more;
    }
}
