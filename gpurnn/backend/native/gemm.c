/* One large product, and sums of rows, for one thread. */
#include "kernels.h"
#include "matrix.h"

/* Rows first to end of a, in tiles of up to TILE_ROWS rows whose elements of one k stand side by side. */
INLINE void pack_tiles(
    int64_t rows, int64_t tiles, int64_t depth, const REAL *a, int64_t down, int64_t right, REAL *packed) {
    for (int64_t n = 0; n < tiles; n++) {
        int64_t first = rows * n / tiles, height = rows * (n + 1) / tiles - first;
        const REAL *from = a + first * down;
        if (height == TILE_ROWS && down == 1)
            for (int64_t k = 0; k < depth; k++, packed += TILE_ROWS)
                memcpy(packed, from + k * right, TILE_ROWS * sizeof(REAL));
        else
            for (int64_t k = 0; k < depth; k++, packed += height)
                for (int64_t r = 0; r < height; r++)
                    packed[r] = from[r * down + k * right];
    }
}

/* A product with few rows, where packing b would cost more than it saves: rows of b are added up as they stand, several
   at a time, since one alone does not use all of the memory's bandwidth. Elements are summed in another order than
   elsewhere, so all of a product is done in this way, or nothing. */
INLINE void few_rows(const Gemm *g, int64_t first, int64_t end) {
    const int64_t strip = 2048;
    enum { AT_ONCE = 8 };
    for (int64_t i = 0; i < g->rows; i++)
        for (int64_t j0 = first; j0 < end; j0 += strip) {
            int64_t n = end - j0 < strip ? end - j0 : strip, down = g->b_down;
            REAL *restrict out = (REAL *)g->out + i * g->out_down + j0;
            if (!g->add)
                memset(out, 0, (size_t)n * sizeof(REAL));
            for (int64_t k0 = 0; k0 < g->depth; k0 += AT_ONCE) {
                const REAL *restrict b = (const REAL *)g->b + k0 * down + j0;
                int64_t depth = g->depth - k0 < AT_ONCE ? g->depth - k0 : AT_ONCE;
                REAL x[AT_ONCE];
                for (int64_t k = 0; k < depth; k++)
                    x[k] = ((const REAL *)g->a)[i * g->a_down + (k0 + k) * g->a_right];
                if (depth == AT_ONCE)
                    for (int64_t j = 0; j < n; j++) {
                        REAL sum = out[j];
#pragma GCC unroll 8
                        for (int64_t k = 0; k < AT_ONCE; k++)
                            sum = FMA(x[k], b[k * down + j], sum);
                        out[j] = sum;
                    }
                else
                    for (int64_t k = 0; k < depth; k++)
                        for (int64_t j = 0; j < n; j++)
                            out[j] = FMA(x[k], b[k * down + j], out[j]);
            }
        }
}

void NAME(run_gemm)(const Gemm *g, int64_t first, int64_t end, void *scratch) {
    REAL *block = scratch, *few = block + DEPTH * GEMM_WIDTH;
    if (g->few) {
        few_rows(g, first, end);
        return;
    }
    for (int64_t j0 = first; j0 < end; j0 += GEMM_WIDTH) {
        int64_t columns = end - j0 < GEMM_WIDTH ? end - j0 : GEMM_WIDTH;
        int as_it_stands = g->a_right == 1 && columns <= 512; /* a is read too few times for packing to pay */
        for (int64_t k0 = 0; k0 < g->depth; k0 += DEPTH) {
            int64_t depth = g->depth - k0 < DEPTH ? g->depth - k0 : DEPTH;
            const REAL *b = (const REAL *)g->b + k0 * g->b_down + j0 * g->b_right;
            NAME(pack_block)(depth, columns, b, g->b_down, g->b_right, block);
            for (int64_t i0 = 0; i0 < g->rows; i0 += GEMM_ROWS) {
                int64_t rows = g->rows - i0 < GEMM_ROWS ? g->rows - i0 : GEMM_ROWS, tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
                const REAL *a = (const REAL *)g->a + i0 * g->a_down + k0 * g->a_right;
                if (!as_it_stands)
                    pack_tiles(rows, tiles, depth, a, g->a_down, g->a_right, few);
                REAL *out = (REAL *)g->out + i0 * g->out_down + j0;
                int add = g->add || k0 > 0;
                if (as_it_stands)
                    multiply_block(rows, depth, columns, a, g->a_down, g->a_down, 1, block, out, g->out_down, add);
                else
                    multiply_block(rows, depth, columns, few, depth, 1, 0, block, out, g->out_down, add);
            }
        }
    }
}

void NAME(add_rows)(
    int64_t n, int64_t width, int64_t down, const void *from, const intptr_t *row, void *to) {
    const REAL *restrict source = from;
    for (int64_t i = 0; i < n; i++, source += down) {
        REAL *restrict sum = (REAL *)to + row[i] * down;
        for (int64_t j = 0; j < width; j++)
            sum[j] += source[j];
    }
}
