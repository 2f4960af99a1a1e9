/* Compiled bodies of the optimizers; what they compute stands in optimizer.py. */
#ifndef REAL
#include "real.h"

/* Places in the arrays `ctl` and `settings`, as in optimizer.py. */
enum { RATE = 0, SCALE = 2, OK = 3, UPDATES = 4 };
enum { LEARNT = 1 }; /* at OK */
enum { CLIP_VALUE = 1, DECAY, DECOUPLED, BETA1, BETA2, EPSILON, MATRICES, REACH };

#include "sets.h"
#else

/* What the updates of all elements have in common. */
typedef struct {
    REAL scale, clip, added, kept; /* clip: infinite for none; weight decay: `added` of p to the gradient, `kept` of p itself */
    REAL share; /* of p in its average, 0 for none */
} NAME(Common);
#define COMMON NAME(Common)

/* How many of these elements are of matrices, which stand first. */
INLINE int64_t NAME(matrices_of)(const double *settings, const int64_t *dim) {
    int64_t left = (int64_t)settings[MATRICES] - dim[FIRST_ROW];
    return left < 0 ? 0 : left < dim[0] ? left : dim[0];
}

/* Of the matrices (matrices = 1) or of the rest, which has no weight decay. */
INLINE COMMON NAME(common)(const double *settings, const double *ctl, int matrices) {
    double decay = matrices ? settings[DECAY] : 0, apart = settings[DECOUPLED], reach = settings[REACH];
    double clip = settings[CLIP_VALUE] > 0 ? settings[CLIP_VALUE] : INFINITY;
    return (COMMON){(REAL)ctl[SCALE], (REAL)clip, (REAL)(apart ? 0 : decay),
                    (REAL)(apart ? fma_double(FUSES, -ctl[RATE], decay, 1) : 1),
                    (REAL)(reach > 0 ? 1 / fma_double(FUSES, reach, ctl[UPDATES] - 1, 1) : 0)};
}

/* The gradient as the update sees it: clipped, with weight decay. */
INLINE REAL NAME(prepared)(REAL g, REAL p, COMMON c) {
    g *= c.scale;
    REAL low = g < -c.clip ? -c.clip : g, both = low > c.clip ? c.clip : low;
    return FMA(c.added, p, both);
}

/* Does `...` for each element k, and renews its average where there is one. Two loops: one that asked at each element
   would not be made into vectors, and take five times as long. */
#define EACH_ELEMENT(...)                                                                                              \
    for (int part = 0; part < 2 && ctl[OK] == LEARNT; part++) {                                                        \
        COMMON c = NAME(common)(settings, ctl, part == 0);                                                             \
        int64_t matrices = NAME(matrices_of)(settings, dim);                                                           \
        int64_t first = part ? matrices : 0, end = part ? dim[0] : matrices;                                           \
        if (c.share > 0)                                                                                               \
            for (int64_t k = first; k < end; k++) {                                                                    \
                __VA_ARGS__                                                                                            \
                w[k] = FMA(c.share, p[k] - w[k], w[k]);                                                                \
            }                                                                                                          \
        else                                                                                                           \
            for (int64_t k = first; k < end; k++) {                                                                    \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
    }

BODY(sgd, "*(P) (P) *(P) *(P) (9)double (10)double") {
    REAL *restrict p = arg[0], *restrict m = arg[2], *restrict w = arg[3];
    const REAL *restrict g = arg[1];
    const double *settings = arg[4], *ctl = arg[5];
    REAL rate = (REAL)ctl[RATE], momentum = (REAL)settings[BETA1];
    EACH_ELEMENT(
        m[k] = FMA(momentum, m[k], NAME(prepared)(g[k], p[k], c));
        p[k] = FMA(c.kept, p[k], -(rate * m[k]));
    )
}

BODY(rmsprop, "*(P) (P) *(P) *(P) (9)double (10)double") {
    REAL *restrict p = arg[0], *restrict v = arg[2], *restrict w = arg[3];
    const REAL *restrict g = arg[1];
    const double *settings = arg[4], *ctl = arg[5];
    REAL rate = (REAL)ctl[RATE], fresh = (REAL)(1 - settings[BETA2]), epsilon = (REAL)settings[EPSILON];
    EACH_ELEMENT(
        REAL x = NAME(prepared)(g[k], p[k], c);
        v[k] = FMA(fresh, FMA(x, x, -v[k]), v[k]);
        p[k] = FMA(c.kept, p[k], -(rate * x / (ROOT(v[k]) + epsilon)));
    )
}

BODY(adam, "*(P) (P) *(P) *(P) *(P) (9)double (10)double") {
    REAL *restrict p = arg[0], *restrict m = arg[2], *restrict v = arg[3], *restrict w = arg[4];
    const REAL *restrict g = arg[1];
    const double *settings = arg[5], *ctl = arg[6];
    double beta1 = settings[BETA1], beta2 = settings[BETA2], updates = ctl[UPDATES];
    REAL rate = (REAL)(ctl[RATE] / (1 - pow(beta1, updates))), unbias = (REAL)(1 / sqrt(1 - pow(beta2, updates)));
    REAL fresh1 = (REAL)(1 - beta1), fresh2 = (REAL)(1 - beta2), epsilon = (REAL)settings[EPSILON];
    EACH_ELEMENT(
        REAL x = NAME(prepared)(g[k], p[k], c);
        m[k] = FMA(fresh1, x - m[k], m[k]);
        v[k] = FMA(fresh2, FMA(x, x, -v[k]), v[k]);
        p[k] = FMA(c.kept, p[k], -(rate * m[k] / FMA(ROOT(v[k]), unbias, epsilon)));
    )
}

#undef EACH_ELEMENT
#undef COMMON
#endif
