/* Large products, and those of the loop over the steps of a window, whose factors are rounded to bfloat16; see bf16.h. */
#define REAL float /* what is not in bfloat16 is that of these */
#define SET v4
#include "bf16.h"

#ifdef SETS_OF_BF16
#include "inline.h"
#include <string.h>

/* What is packed at a time: K_BLOCK rows of PANELS_WIDTH columns of b, which fit the third cache, and as much of
   ROWS_AT_ONCE rows of a, which fit the second. */
enum { K_BLOCK = 512, PANELS_WIDTH = 2048, ROWS_AT_ONCE = 192 };
_Static_assert(2 * K_BLOCK * (PANELS_WIDTH + ROWS_AT_ONCE) <= GEMM_SCRATCH, "the scratch holds both");

/* Rows of `out` may be pages apart, so that the processor does not fetch them by itself. */
INLINE void fetch(int64_t rows, const float *out, int64_t out_down) {
    for (int64_t r = 0; r < rows; r++) {
        __builtin_prefetch(out + r * out_down, 1);
        __builtin_prefetch(out + r * out_down + PANEL / 2, 1);
    }
}

/* out (rows, columns): overwritten with packed rows times packed panels, or added to. depth: of both. */
static void multiply(
    const Bf16 *bf16, int64_t rows, int64_t depth, int64_t columns, const char *packed_rows, const char *panel, float *out,
    int64_t out_down, int add) {
    int64_t parts = parts_of(depth, K_TILE), both = 2 * bf16->tile_rows;
    for (int64_t j = 0; j < columns; j += PANEL, panel += parts * PANEL_BYTES) {
        int64_t width = least(columns - j, PANEL);
        for (int64_t i = 0; i < rows; i += both) {
            int64_t height = least(rows - i, both), above = least(height, bf16->tile_rows);
            const char *x = packed_rows + i * parts * ROW_BYTES;
            float *to = out + i * out_down + j;
            if (width == PANEL) {
                if (i + both < rows)
                    fetch(least(rows - i - both, both), to + both * out_down, out_down);
                else if (columns - j >= 2 * PANEL)
                    fetch(least(rows, both), out + j + PANEL, out_down);
                bf16->two_tiles(above, height - above, parts, x, panel, to, out_down, add);
                continue;
            }
            _Alignas(64) float whole[2 * AMX_ROWS * PANEL];
            for (int64_t r = 0; r < height && add; r++)
                memcpy(whole + r * PANEL, to + r * out_down, (size_t)width * sizeof(float));
            bf16->two_tiles(above, height - above, parts, x, panel, whole, PANEL, add);
            for (int64_t r = 0; r < height; r++)
                memcpy(to + r * out_down, whole + r * PANEL, (size_t)width * sizeof(float));
        }
    }
}

/* See RunGemm. */
static void run_gemm(const Bf16 *bf16, const Gemm *g, int64_t first, int64_t end, char *scratch) {
    char *panels = scratch, *few = panels + 2 * K_BLOCK * PANELS_WIDTH;
    for (int64_t j0 = first; j0 < end; j0 += PANELS_WIDTH)
        for (int64_t k0 = 0; k0 < g->depth; k0 += K_BLOCK) {
            int64_t columns = least(end - j0, PANELS_WIDTH), depth = least(g->depth - k0, K_BLOCK);
            const float *b = (const float *)g->b + k0 * g->b_down + j0 * g->b_right;
            pack_bf16_panels(depth, columns, b, g->b_down, g->b_right, panels);
            for (int64_t i0 = 0; i0 < g->rows; i0 += ROWS_AT_ONCE) {
                int64_t rows = least(g->rows - i0, ROWS_AT_ONCE);
                const float *a = (const float *)g->a + i0 * g->a_down + k0 * g->a_right;
                pack_bf16_rows(bf16->tile_rows, rows, depth, a, g->a_down, g->a_right, few);
                multiply(bf16, rows, depth, columns, few, panels, (float *)g->out + i0 * g->out_down + j0, g->out_down,
                         g->add || k0 > 0);
            }
        }
    bf16->end();
}

static int64_t packed_bytes(int64_t rows, int64_t columns) {
    return parts_of(rows, K_TILE) * parts_of(columns, PANEL) * PANEL_BYTES;
}

static void pack_matrix(
    int64_t rows, int64_t columns, const void *w, int64_t down, int64_t right, void *packed, int64_t first, int64_t end) {
    (void)columns;
    pack_bf16_panels(rows, end - first, (const float *)w + first * right, down, right,
                     (char *)packed + packed_bytes(rows, first));
}

static int64_t lane_bytes(int64_t rows) { return parts_of(rows, K_TILE) * ROW_BYTES; }

/* See TimesPacked. */
static void times_packed(
    const Bf16 *bf16, int64_t lanes, int64_t rows, int64_t columns, const void *x, const void *packed, void *y,
    void *scratch) {
    pack_bf16_rows(bf16->tile_rows, lanes, rows, x, rows, 1, scratch);
    multiply(bf16, lanes, rows, columns, scratch, packed, y, columns, 0);
    bf16->end();
}

/* What of each takes no `bf16`, and its table. */
#define KERNELS(bf16)                                                                                                  \
    static void run_gemm_##bf16(const Gemm *gemm, int64_t first, int64_t end, void *scratch) {                         \
        run_gemm(&bf16, gemm, first, end, scratch);                                                                    \
    }                                                                                                                  \
    static void times_packed_##bf16(int64_t lanes, int64_t rows, int64_t columns, const void *x, const void *packed,   \
                                    void *y, void *scratch) {                                                          \
        times_packed(&bf16, lanes, rows, columns, x, packed, y, scratch);                                              \
    }

KERNELS(amx_bf16)
KERNELS(avx512_bf16)

#define OF(bf16, tile_height)                                                                                          \
    {                                                                                                                  \
        .fuses = 1, .tile_rows = 2 * tile_height, .tile_columns = PANEL, .run_gemm = run_gemm_##bf16,                  \
        .add_rows = NAME(add_rows), .run_loop = NAME(run_loop), .packed_bytes = packed_bytes,                          \
        .pack_matrix = pack_matrix, .times_packed = times_packed_##bf16, .lane_bytes = lane_bytes,                     \
        .dropout_mask = NAME(dropout_mask), .operations = NAME(operations),                                            \
    }

const Kernels kernels_amx_bf16 = OF(amx_bf16, AMX_ROWS), kernels_avx512_bf16 = OF(avx512_bf16, AVX512_ROWS);
#endif
