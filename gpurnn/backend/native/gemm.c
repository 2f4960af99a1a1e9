#ifndef REAL
#include "gemm.h"
#include "real.h"
#define REAL float
#include "gemm.c"
#undef REAL
#define REAL double
#include "gemm.c"
#else

#include "matrix.h"

/* A few rows of a, so that the elements that a tile multiplies with one row of b stand side by side. */
INLINE void PASTE(pack_rows, REAL)(
    int rows, int64_t depth, const REAL *a, int64_t down, int64_t right, REAL *packed) {
    for (int64_t k = 0; k < depth; k++)
        for (int r = 0; r < rows; r++)
            packed[k * rows + r] = a[r * down + k * right];
}

/* Rows of out from a few rows of a and all panels of a packed block of b. */
INLINE void PASTE(row_of_tiles, REAL)(
    int rows, int64_t depth, int64_t columns, const REAL *a, int64_t a_down, int64_t a_right, const REAL *block,
    REAL *out, int64_t out_down, int add, REAL *side_by_side) {
    PASTE(pack_rows, REAL)(rows, depth, a, a_down, a_right, side_by_side);
    for (int64_t j = 0; j < columns; j += WIDTH, block += depth * WIDTH) {
        int64_t width = columns - j < WIDTH ? columns - j : WIDTH;
        PASTE(tile, REAL)(rows, depth, side_by_side, 1, rows, block, out + j, out_down, width, add);
    }
}

/* A product with few rows, where packing b would cost more than it saves: rows of b are added up as they stand. */
INLINE void PASTE(few_rows, REAL)(const Gemm *g, int64_t first, int64_t end) {
    const int64_t strip = 512;
    for (int64_t i = 0; i < g->rows; i++)
        for (int64_t j0 = first; j0 < end; j0 += strip) {
            int64_t n = end - j0 < strip ? end - j0 : strip;
            REAL *restrict out = (REAL *)g->out + i * g->out_down + j0;
            if (!g->add)
                memset(out, 0, (size_t)n * sizeof(REAL));
            for (int64_t k = 0; k < g->depth; k++) {
                REAL x = ((const REAL *)g->a)[i * g->a_down + k * g->a_right];
                const REAL *restrict b = (const REAL *)g->b + k * g->b_down + j0;
                for (int64_t j = 0; j < n; j++)
                    out[j] += x * b[j];
            }
        }
}

FASTEST void PASTE(run_gemm, REAL)(const Gemm *g, int64_t first, int64_t end, void *scratch) {
    REAL *block = scratch, *side_by_side = block + GEMM_DEPTH * GEMM_WIDTH;
    if (g->rows < 4 && g->b_right == 1) {
        PASTE(few_rows, REAL)(g, first, end);
        return;
    }
    for (int64_t j0 = first; j0 < end; j0 += GEMM_WIDTH) {
        int64_t columns = end - j0 < GEMM_WIDTH ? end - j0 : GEMM_WIDTH;
        for (int64_t k0 = 0; k0 < g->depth; k0 += GEMM_DEPTH) {
            int64_t depth = g->depth - k0 < GEMM_DEPTH ? g->depth - k0 : GEMM_DEPTH;
            const REAL *b = (const REAL *)g->b + k0 * g->b_down + j0 * g->b_right;
            PASTE(pack_block, REAL)(depth, columns, b, g->b_down, g->b_right, block);
            const REAL *a = (const REAL *)g->a + k0 * g->a_right;
            REAL *out = (REAL *)g->out + j0;
            int add = g->add || k0 > 0;
            int64_t i = 0;
#define TILES(n)                                                                                                       \
    PASTE(row_of_tiles, REAL)(n, depth, columns, a + i * g->a_down, g->a_down, g->a_right, block,                      \
                              out + i * g->out_down, g->out_down, add, side_by_side)
            for (; i + ROWS <= g->rows; i += ROWS)
                TILES(ROWS);
            for (; i + 2 <= g->rows; i += 2)
                TILES(2);
            if (i < g->rows)
                TILES(1);
#undef TILES
        }
    }
}

#undef VECTOR
#undef LANES
#undef WIDTH
#endif
