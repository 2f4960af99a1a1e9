/* The inner loops of every product: tiles, whose sums stay in registers. */
#ifndef REAL
#include "real.h"

#define MOST_PANELS 4 /* side by side: a tile of few rows and one panel would wait for its sums at each k */
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address, 0, 2)
#define FETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#else
#define FETCH(address) (void)(address)
#define FETCH_TO_WRITE(address) (void)(address)
#endif

#include "sets.h"
#else

#include "matrix.h"

#define VECTOR NAME(vector)
typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* See Tile. rows and panels are constants where this is called, so that the sums stay in registers. */
INLINE void NAME(tile)(
    int rows, int panels, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next,
    REAL *y, int64_t y_row, int add) {
    VECTOR sum[TILE_ROWS][2 * MOST_PANELS];
    int64_t apart = depth * WIDTH;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++)
            sum[r][v] = (VECTOR){0};
        FETCH_TO_WRITE(y + r * y_row);
    }
    for (int64_t k = 0; k < depth; k++, panel += WIDTH, next += WIDTH) {
        VECTOR w[2 * MOST_PANELS];
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++)
            w[v] = *(const VECTOR *)(panel + v / 2 * apart + v % 2 * LANES);
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++)
            FETCH(next + p * apart);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            REAL xk = x[r * down + k * right];
#pragma GCC unroll 8
            for (int v = 0; v < 2 * panels; v++)
                sum[r][v] += xk * w[v];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++) {
            VECTOR *to = (VECTOR *)(y + r * y_row + v * LANES);
            if (add)
                sum[r][v] += *to;
            *to = sum[r][v];
        }
    }
}

/* The functions of n rows. */
#define TILE(name, n, panels)                                                                                          \
    static void NAME(name##_##n)(                                                                                      \
        int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, REAL *y,       \
        int64_t y_row, int add) {                                                                                      \
        NAME(tile)(n, panels, depth, x, down, right, panel, next, y, y_row, add);                                      \
    }
#define NARROW(n) TILE(narrow, n, 1)
#define WIDE(n) TILE(wide, n, NAME(panels_for)(n))

NARROW(1) NARROW(2) NARROW(3) NARROW(4) NARROW(5) NARROW(6)
WIDE(1) WIDE(2) WIDE(3)
#if TILE_ROWS == 12
NARROW(7) NARROW(8) NARROW(9) NARROW(10) NARROW(11) NARROW(12)
WIDE(4) WIDE(5) WIDE(6)
#endif

#define OF(name, n) NAME(name##_##n)
#define THREE(name, a, b, c) OF(name, a), OF(name, b), OF(name, c)

NAME(Tile) *const NAME(tiles)[TILE_ROWS + 1] = {
    NULL, THREE(narrow, 1, 2, 3), THREE(narrow, 4, 5, 6),
#if TILE_ROWS == 12
    THREE(narrow, 7, 8, 9), THREE(narrow, 10, 11, 12),
#endif
};

NAME(Tile) *const NAME(wide_tiles)[TILE_ROWS / 2 + 1] = {
    NULL, THREE(wide, 1, 2, 3),
#if TILE_ROWS == 12
    THREE(wide, 4, 5, 6),
#endif
};

#undef VECTOR
#undef TILE
#undef NARROW
#undef WIDE
#undef OF
#undef THREE
#endif
