/* The loop over steps, and products with its packed matrix, for one thread. */
#include "kernels.h"
#include "matrix.h"

int64_t NAME(packed_bytes)(int64_t rows, int64_t columns) {
    return packed_size(rows, columns) * (int64_t)sizeof(REAL);
}

void NAME(pack_matrix)(
    int64_t rows, int64_t columns, const void *w, int64_t down, int64_t right, void *packed, int64_t first, int64_t end) {
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        NAME(pack_block)(depth, end - first, (const REAL *)w + k0 * down + first * right, down, right,
                         (REAL *)packed + k0 * packed_size(1, columns) + first * depth);
    }
}

void NAME(times_packed)(
    int64_t lanes, int64_t rows, int64_t columns, const void *x, const void *packed, void *y, void *scratch) {
    (void)scratch;
    product(lanes, rows, columns, x, packed, y);
}

/* Whether carry is 0 at this step for a lane from `first` to `end`. */
INLINE int some_masked(const Loop *loop, int64_t t, int64_t first, int64_t end) {
    const REAL *carry = (const REAL *)loop->carry + t * loop->lanes;
    if (loop->carry != NULL)
        for (int64_t b = first; b < end; b++)
            if (carry[b] == 0)
                return 1;
    return 0;
}

/* Sets rows of `what` to 0 in the lanes whose carry is 0 at step t. */
INLINE void cut(const Loop *loop, const Through *what, int64_t t, int64_t first, int64_t end) {
    const REAL *carry = (const REAL *)loop->carry + t * loop->lanes;
    for (int64_t b = first; b < end; b++)
        if (carry[b] == 0)
            memset(what->base + t * what->step + b * what->lane, 0, (size_t)loop->hidden * sizeof(REAL));
}

/* Where lane `first` of an array begins at step t. */
INLINE char *at(const Through *what, int64_t t, int64_t first) {
    return what->base + t * what->step + first * what->lane;
}

/* What is masked at step t as the step sees it, in the scratch number `place`. */
INLINE char *seen(const Loop *loop, const Through *what, int place, int64_t t, int64_t first, int64_t end) {
    Through masked = {loop->seen + place * loop->lanes * what->lane, 0, what->lane};
    char *to = at(&masked, t, first);
    memcpy(to, at(what, t, first), (size_t)((end - first) * what->lane));
    cut(loop, &masked, t, first, end);
    return to;
}

INLINE void step(const Loop *loop, int64_t t, int64_t first, int64_t end) {
    int boundary = some_masked(loop, t, first, end);
    int place = 0;
    void *arg[MOST_ARGUMENTS];
    for (int i = 0; i < loop->arguments; i++)
        arg[i] = boundary && loop->masked >> i & 1 ? seen(loop, &loop->arg[i], place++, t, first, end)
                                                   : at(&loop->arg[i], t, first);
    const char *x = boundary && !loop->backward ? seen(loop, &loop->x, place, t, first, end) : at(&loop->x, t, first);
    char *y = at(&loop->y, t, first);
    Dims dims = {.B = end - first, .H = loop->hidden};
    if (loop->backward)
        loop->body(arg, &dims);
    loop->times_packed(end - first, loop->rows, loop->columns, x, loop->packed, y, loop->scratch + first * loop->lane_bytes);
    if (!loop->backward)
        loop->body(arg, &dims);
    if (boundary && loop->backward) {
        cut(loop, &loop->y, t, first, end);
        for (int i = 0; i < loop->arguments; i++)
            if (loop->cleared >> i & 1)
                cut(loop, &loop->arg[i], t, first, end);
    }
}

void NAME(run_loop)(const Loop *loop, int64_t first, int64_t end) {
    for (int64_t n = 0; n < loop->steps; n++)
        step(loop, loop->backward ? loop->steps - 1 - n : n, first, end);
}
