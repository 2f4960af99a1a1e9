/* The inner loops of every product: tiles, whose sums stay in registers. */
#include "real.h"

#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address, 0, 2)
#define FETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#define OPAQUE(pointer) __asm__("" : "+r"(pointer)) /* the compiler knows nothing of where it points */
#else
#define FETCH(address) (void)(address)
#define FETCH_TO_WRITE(address) (void)(address)
#define OPAQUE(pointer) (void)(pointer)
#endif

#include "kernels.h"
#include "matrix.h"

/* FMA(x, y, sum) for each y of a vector. */
INLINE VECTOR vector_fma(REAL x, VECTOR y, VECTOR sum) {
    VECTOR everywhere = x - (VECTOR){0}; /* x - 0 is x, even for -0 */
    return VECTOR_FMA(everywhere, y, sum);
}

/* See Tile. rows and panels are constants where this is called, so that the sums stay in registers. Each three rows of x
   have a pointer of their own, whose neighbours an address can name: one for each row would take all registers. */
INLINE void tile(
    int rows, int panels, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next,
    int64_t ahead, REAL *y, int64_t y_row, int add) {
    VECTOR sum[TILE_ROWS][2 * MOST_PANELS];
    const REAL *row[TILE_ROWS];
    int64_t apart = depth * WIDTH;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++)
            sum[r][v] = (VECTOR){0};
        row[r] = x + r * down;
        FETCH_TO_WRITE(y + r * y_row);
    }
    for (int64_t k = 0; k < depth; k++, panel += WIDTH, next += ahead) {
        VECTOR w[2 * MOST_PANELS];
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++)
            w[v] = *(const STORED *)(panel + v / 2 * apart + v % 2 * LANES);
#pragma GCC unroll 4
        for (int p = 0; p < panels && rows > 1; p++) /* one row reads too fast for it: the processor looks ahead itself */
            FETCH(next + p * apart);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            REAL xk = row[r / 3 * 3][r % 3 * down];
#pragma GCC unroll 8
            for (int v = 0; v < 2 * panels; v++)
                sum[r][v] = vector_fma(xk, w[v], sum[r][v]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r += 3) {
            row[r] += right;
            OPAQUE(row[r]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < 2 * panels; v++) {
            STORED *to = (STORED *)(y + r * y_row + v * LANES);
            if (add)
                sum[r][v] += *to;
            *to = sum[r][v];
        }
    }
}

/* The functions of n rows. */
#define TILE(panels, n)                                                                                                \
    static void NAME(tile_##panels##_##n)(                                                                             \
        int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, int64_t ahead, \
        REAL *y, int64_t y_row, int add) {                                                                             \
        tile(n, panels, depth, x, down, right, panel, next, ahead, y, y_row, add);                               \
    }
#define OF(panels, n) [panels / 2][n] = NAME(tile_##panels##_##n)

TILE(1, 1) TILE(1, 2) TILE(1, 3) TILE(1, 4) TILE(1, 5) TILE(1, 6) TILE(2, 1) TILE(2, 2) TILE(2, 3) TILE(4, 1)
#if TILE_PANELS == 2
TILE(2, 4) TILE(2, 5) TILE(2, 6) TILE(4, 2) TILE(4, 3)
#endif

Tile *const NAME(tiles)[MOST_PANELS / 2 + 1][TILE_ROWS + 1] = {
    OF(1, 1), OF(1, 2), OF(1, 3), OF(1, 4), OF(1, 5), OF(1, 6), OF(2, 1), OF(2, 2), OF(2, 3), OF(4, 1),
#if TILE_PANELS == 2
    OF(2, 4), OF(2, 5), OF(2, 6), OF(4, 2), OF(4, 3),
#endif
};

void NAME(pack_strips)(int64_t rows, int64_t columns, const void *matrix, void *to) {
    const REAL *w = matrix;
    REAL *packed = to;
    for (int64_t j = 0; j < columns; j += STRIP) {
        int64_t width = columns - j < STRIP ? columns - j : STRIP;
        for (int64_t k = 0; k < rows; k++, packed += STRIP) {
            memcpy(packed, w + k * columns + j, (size_t)width * sizeof(REAL));
            memset(packed + width, 0, (size_t)(STRIP - width) * sizeof(REAL));
        }
    }
}

void NAME(row_product)(
    int64_t rows, int64_t columns, const void *row, const void *packed, void *product, int64_t first,
    int64_t end, int backwards) {
    const REAL *x = row;
    REAL *y = product;
    enum { VECTORS = STRIP / LANES };
    for (int64_t n = first; n < end; n++) {
        int64_t j = (backwards ? first + end - 1 - n : n) * STRIP, width = columns - j < STRIP ? columns - j : STRIP;
        const REAL *strip = (const REAL *)packed + j * rows;
        VECTOR sum[VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++)
            sum[v] = (VECTOR){0};
        for (int64_t k = 0; k < rows; k++, strip += STRIP) {
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++)
                sum[v] = vector_fma(x[k], *(const STORED *)(strip + v * LANES), sum[v]);
        }
        memcpy(y + j, sum, (size_t)width * sizeof(REAL));
    }
}

#undef TILE
#undef OF
