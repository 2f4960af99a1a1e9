/* Compiled bodies of the optimizers; what they compute stands in optimizer.py. */
#include "gpurnn/operations.h"

/* What the updates of all elements have in common. */
typedef struct {
    REAL factor, clip; /* of the gradient: what it is multiplied with, and its largest value, infinite for none */
    REAL added, kept; /* weight decay: `added` of p to the gradient, `kept` of p itself */
    REAL share; /* of p in its average, 0 for none */
} Common;

/* How many of these elements are of matrices, which stand first. */
INLINE int64_t matrices_of(const double *settings, int64_t P, int64_t first) {
    int64_t left = (int64_t)settings[MATRICES] - first;
    return left < 0 ? 0 : left < P ? left : P;
}

/* Of the matrices (matrices = 1) or of the rest, which has no weight decay. */
INLINE Common common(const double *settings, const double *ctl, int matrices) {
    double decay = matrices ? settings[DECAY] : 0, apart = settings[DECOUPLED], reach = settings[REACH];
    double clip = settings[CLIP_VALUE] > 0 ? settings[CLIP_VALUE] : INFINITY;
    return (Common){(REAL)ctl[CLIP_FACTOR], (REAL)clip, (REAL)(apart ? 0 : decay),
                    (REAL)(apart ? fma_double(-ctl[RATE], decay, 1) : 1),
                    (REAL)(reach > 0 ? 1 / fma_double(reach, ctl[UPDATES] - 1, 1) : 0)};
}

/* The gradient as the update sees it: clipped, with weight decay. */
INLINE REAL prepared(REAL g, REAL p, Common c) {
    g *= c.factor;
    REAL low = g < -c.clip ? -c.clip : g, both = low > c.clip ? c.clip : low;
    return FMA(c.added, p, both);
}

/* Does `...` for each element k, and renews its average where there is one. Two loops: one that asked at each element
   would not be made into vectors, and take five times as long. */
#define EACH_ELEMENT(...)                                                                                              \
    for (int part = 0; part < 2 && ctl[OUTCOME] == LEARNT; part++) {                                                   \
        Common c = common(settings, ctl, part == 0);                                                                   \
        int64_t matrices = matrices_of(settings, P, first);                                                            \
        int64_t begin = part ? matrices : 0, end = part ? P : matrices;                                                \
        if (c.share > 0)                                                                                               \
            for (int64_t k = begin; k < end; k++) {                                                                    \
                __VA_ARGS__                                                                                            \
                w[k] = FMA(c.share, p[k] - w[k], w[k]);                                                                \
            }                                                                                                          \
        else                                                                                                           \
            for (int64_t k = begin; k < end; k++) {                                                                    \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
    }

void sgd(
    int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict m, REAL *restrict w,
    const double *restrict settings, const double *restrict ctl) {
    REAL rate = (REAL)ctl[RATE], momentum = (REAL)settings[BETA1];
    EACH_ELEMENT(
        m[k] = FMA(momentum, m[k], prepared(g[k], p[k], c));
        p[k] = FMA(c.kept, p[k], -(rate * m[k]));
    )
}

void rmsprop(
    int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict v, REAL *restrict w,
    const double *restrict settings, const double *restrict ctl) {
    REAL rate = (REAL)ctl[RATE], fresh = (REAL)(1 - settings[BETA2]), epsilon = (REAL)settings[EPSILON];
    EACH_ELEMENT(
        REAL x = prepared(g[k], p[k], c);
        v[k] = FMA(fresh, FMA(x, x, -v[k]), v[k]);
        p[k] = FMA(c.kept, p[k], -(rate * x / (ROOT(v[k]) + epsilon)));
    )
}

void adam(
    int64_t P, int64_t first, REAL *restrict p, const REAL *restrict g, REAL *restrict m, REAL *restrict v, REAL *restrict w,
    const double *restrict settings, const double *restrict ctl) {
    double beta1 = settings[BETA1], beta2 = settings[BETA2], updates = ctl[UPDATES];
    REAL rate = (REAL)(ctl[RATE] / (1 - pow(beta1, updates))), unbias = (REAL)(1 / sqrt(1 - pow(beta2, updates)));
    REAL fresh1 = (REAL)(1 - beta1), fresh2 = (REAL)(1 - beta2), epsilon = (REAL)settings[EPSILON];
    EACH_ELEMENT(
        REAL x = prepared(g[k], p[k], c);
        m[k] = FMA(fresh1, x - m[k], m[k]);
        v[k] = FMA(fresh2, FMA(x, x, -v[k]), v[k]);
        p[k] = FMA(c.kept, p[k], -(rate * m[k] / FMA(ROOT(v[k]), unbias, epsilon)));
    )
}
