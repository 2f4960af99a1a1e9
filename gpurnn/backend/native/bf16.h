/* Products of float32 whose factors are rounded to bfloat16 and whose sums are float32.

Factors are packed in parts of K_TILE of the numbers that are summed, the last part filled up with zeros:
- rows of x (rows, depth), in tiles of up to tile_rows rows, one behind the other: in each tile its parts, in each part its
  rows, ROW_BYTES each;
- a matrix (depth, columns), in panels of PANEL columns, the last one filled up with zeros, one behind the other: in each
  panel, for every two rows of the matrix, its columns, the two numbers of a column side by side.

Every element of a product is summed from what it is added to, one part after the other, whatever is computed beside it:
how a product is shared among threads changes no bit. How sums are rounded within a part depends on the instructions: AMX_BF16
and AVX512_BF16 differ in that. Both take subnormal numbers for 0.
*/
#ifndef GPURNN_BF16_H
#define GPURNN_BF16_H

#include "kernels.h"

#if defined(SETS_OF_X86_64) && __GNUC__ >= 11
#define SETS_OF_BF16
#endif

#define AMX_ROWS 16 /* of a tile */
#define AVX512_ROWS 12 /* 12 x 2 vectors of sums and 2 of the panel fit the registers */
#define K_TILE 32
#define PANEL 32
#define ROW_BYTES 64 /* of K_TILE numbers of a row */
#define PANEL_BYTES 2048 /* of K_TILE rows of a panel */

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t parts_of(int64_t count, int64_t of_a_part) { return (count + of_a_part - 1) / of_a_part; }

/* packed: overwritten, parts_of(depth, K_TILE) * ROW_BYTES for each row. The element (r, k) of x is
   x[r * down + k * right], one of the two being 1 wherever it matters. */
void pack_bf16_rows(
    int64_t tile_rows, int64_t rows, int64_t depth, const float *x, int64_t down, int64_t right, char *packed);

/* packed: overwritten, parts_of(depth, K_TILE) * PANEL_BYTES for each panel. The element (k, j) is
   w[k * down + j * right], likewise. */
void pack_bf16_panels(
    int64_t depth, int64_t columns, const float *w, int64_t down, int64_t right, char *packed);

/* Two packed tiles of rows times a packed panel: out (above + below, PANEL) is overwritten, or added to; its rows are
   out_down apart. above, below: rows of the two tiles, 1 to tile_rows and 0 to tile_rows. */
typedef void TwoTiles(
    int64_t above, int64_t below, int64_t parts, const char *rows, const char *panel, float *out, int64_t out_down,
    int add);

/* What multiplies. end: to be called by a thread after its last two tiles. */
typedef struct {
    int64_t tile_rows;
    TwoTiles *two_tiles;
    void (*end)(void);
} Bf16;

extern const Bf16 amx_bf16, avx512_bf16;
extern const Kernels kernels_amx_bf16, kernels_avx512_bf16;

#endif
