#ifndef REAL
#include "loop.h"
#include "real.h"
#define REAL float
#include "loop.c"
#undef REAL
#define REAL double
#include "loop.c"
#else

#include "matrix.h"

int64_t PASTE(packed_bytes, REAL)(int64_t rows, int64_t columns) {
    return PASTE(packed_size, REAL)(rows, columns) * (int64_t)sizeof(REAL);
}

FASTEST void PASTE(pack_matrix, REAL)(
    int64_t rows, int64_t columns, const void *w, int64_t down, int64_t right, void *packed) {
    PASTE(pack, REAL)(rows, columns, w, down, right, packed);
}

/* Whether a lane from `first` to `end` begins anew at this step. */
INLINE int PASTE(begins, REAL)(const Loop *loop, int64_t t, int64_t first, int64_t end) {
    const REAL *carry = (const REAL *)loop->carry + t * loop->carry_lanes;
    if (loop->carry != NULL)
        for (int64_t b = first; b < end; b++)
            if (carry[b] == 0)
                return 1;
    return 0;
}

/* Sets rows of `what` to 0 in the lanes that begin anew at step t. */
INLINE void PASTE(cut, REAL)(const Loop *loop, const Through *what, int64_t t, int64_t first, int64_t end) {
    const REAL *carry = (const REAL *)loop->carry + t * loop->carry_lanes;
    for (int64_t b = first; b < end; b++)
        if (carry[b] == 0)
            memset(what->base + t * what->step + b * what->lane, 0, (size_t)loop->hidden * sizeof(REAL));
}

/* h(t-1) as the step sees it. */
INLINE char *PASTE(seen, REAL)(const Loop *loop, int64_t t, int begins, int64_t first, int64_t end) {
    const Through *h = &loop->h_prev;
    char *from = h->base + t * h->step + first * h->lane;
    if (!begins)
        return from;
    Through masked = {loop->masked, 0, h->lane};
    char *to = masked.base + first * masked.lane;
    memcpy(to, from, (size_t)((end - first) * h->lane));
    PASTE(cut, REAL)(loop, &masked, t, first, end);
    return to;
}

INLINE void PASTE(step, REAL)(const Loop *loop, int64_t t, int64_t first, int64_t end) {
    int begins = PASTE(begins, REAL)(loop, t, first, end);
    char *h = PASTE(seen, REAL)(loop, t, begins, first, end);
    void *arg[MOST_ARGUMENTS];
    for (int i = 0; i < loop->arguments; i++) {
        const Through *a = &loop->arg[i];
        arg[i] = loop->sees_h[i] ? h : a->base + t * a->step + first * a->lane;
    }
    const Through *x = &loop->x, *y = &loop->y;
    const REAL *from = (const REAL *)(loop->backward ? x->base + t * x->step + first * x->lane : h);
    REAL *to = (REAL *)(y->base + t * y->step + first * y->lane);
    int64_t dim[2] = {end - first, loop->hidden};
    if (!loop->backward) {
        for (int i = 0; begins && i < loop->cuts; i++)
            PASTE(cut, REAL)(loop, &loop->cut[i], t, first, end);
        PASTE(product, REAL)(end - first, loop->rows, loop->columns, from, loop->packed, to);
        loop->body(arg, dim);
    } else {
        loop->body(arg, dim);
        PASTE(product, REAL)(end - first, loop->rows, loop->columns, from, loop->packed, to);
        for (int i = 0; begins && i < loop->cuts; i++)
            PASTE(cut, REAL)(loop, &loop->cut[i], t, first, end);
    }
}

FASTEST void PASTE(run_loop, REAL)(const Loop *loop, int64_t first, int64_t end) {
    for (int64_t n = 0; n < loop->steps; n++)
        PASTE(step, REAL)(loop, loop->backward ? loop->steps - 1 - n : n, first, end);
}

#undef VECTOR
#undef LANES
#undef WIDTH
#endif
