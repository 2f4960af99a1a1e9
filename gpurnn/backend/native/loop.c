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
    const REAL *carry = (const REAL *)loop->carry + t * loop->lanes;
    if (loop->carry != NULL)
        for (int64_t b = first; b < end; b++)
            if (carry[b] == 0)
                return 1;
    return 0;
}

/* Sets rows of `what` to 0 in the lanes that begin anew at step t. */
INLINE void PASTE(cut, REAL)(const Loop *loop, const Through *what, int64_t t, int64_t first, int64_t end) {
    const REAL *carry = (const REAL *)loop->carry + t * loop->lanes;
    for (int64_t b = first; b < end; b++)
        if (carry[b] == 0)
            memset(what->base + t * what->step + b * what->lane, 0, (size_t)loop->hidden * sizeof(REAL));
}

/* Where lane `first` of an array begins at step t. */
INLINE char *PASTE(at, REAL)(const Through *what, int64_t t, int64_t first) {
    return what->base + t * what->step + first * what->lane;
}

/* A state before step t as the step sees it, in the scratch number `place`. */
INLINE char *PASTE(seen, REAL)(const Loop *loop, const Through *state, int place, int64_t t, int64_t first, int64_t end) {
    Through masked = {loop->masked + place * loop->lanes * state->lane, 0, state->lane};
    char *to = PASTE(at, REAL)(&masked, t, first);
    memcpy(to, PASTE(at, REAL)(state, t, first), (size_t)((end - first) * state->lane));
    PASTE(cut, REAL)(loop, &masked, t, first, end);
    return to;
}

INLINE void PASTE(step, REAL)(const Loop *loop, int64_t t, int64_t first, int64_t end) {
    int begins = PASTE(begins, REAL)(loop, t, first, end);
    int place = 0;
    void *arg[MOST_ARGUMENTS];
    for (int i = 0; i < loop->arguments; i++)
        arg[i] = begins && loop->before >> i & 1 ? PASTE(seen, REAL)(loop, &loop->arg[i], place++, t, first, end)
                                                 : PASTE(at, REAL)(&loop->arg[i], t, first);
    const char *x = begins && !loop->backward ? PASTE(seen, REAL)(loop, &loop->x, place, t, first, end)
                                              : PASTE(at, REAL)(&loop->x, t, first);
    REAL *y = (REAL *)PASTE(at, REAL)(&loop->y, t, first);
    int64_t dim[2] = {end - first, loop->hidden};
    if (loop->backward)
        loop->body(arg, dim);
    PASTE(product, REAL)(end - first, loop->rows, loop->columns, (const REAL *)x, loop->packed, y);
    if (!loop->backward)
        loop->body(arg, dim);
    if (begins && loop->backward) {
        PASTE(cut, REAL)(loop, &loop->y, t, first, end);
        for (int i = 0; i < loop->arguments; i++)
            if (loop->errors >> i & 1)
                PASTE(cut, REAL)(loop, &loop->arg[i], t, first, end);
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
