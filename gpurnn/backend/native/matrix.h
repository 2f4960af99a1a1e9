/* Products of a few rows with a matrix that was packed beforehand, for one thread.

A packed matrix stands in blocks of DEPTH of its rows; each block in panels of WIDTH columns, the last one filled up with
zeros, and each panel row by row. Every element of a product is summed in the order of k within a block and over the
blocks, whatever rows it is computed together with: how lanes are shared among threads changes no bit.
*/
#ifndef GPURNN_MATRIX_H
#define GPURNN_MATRIX_H

#include "gemm.h"
#include "real.h"

#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define WIDTH (2 * LANES)
#define STRIP (MOST_PANELS * WIDTH) /* columns of one row's product with a matrix that is kept */

#define multiply_block NAME(multiply_block)

/* A vector in a register, and one in memory, which begins at any element: sums of that type GCC copies at each step. */
typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL STORED __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* y: overwritten with x times the panels of the matrix that the tile has, or added to. The element (r, k) of x is
   x[r * down + k * right]; rows of y are y_row apart. next: what is fetched into the cache meanwhile, of each panel the
   elements from there on, `ahead` of them for each k. */
typedef void Tile(
    int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, int64_t ahead, REAL *y,
    int64_t y_row, int add);

/* By panels / 2, which are 1, 2 or MOST_PANELS, and rows: all whose sums fit the registers. */
extern Tile *const NAME(tiles)[MOST_PANELS / 2 + 1][TILE_ROWS + 1];

/* How many panels side by side, up to `most`, the sums of so many rows leave room for. */
INLINE int64_t panels_for(int64_t rows, int64_t most) {
    int64_t panels = MOST_PANELS;
    while (panels > 1 && (panels > most || panels * rows > TILE_PANELS * TILE_ROWS))
        panels /= 2;
    return panels;
}

/* y (rows, columns): overwritten with x (rows, depth) times a packed block of the matrix, or added to; rows of y are
   y_row apart. x stands in tiles: of `tiles` even shares of its rows, one begins at x + its first row * share, and its
   element (r, k) is at r * down + k * right from there; right 0: as many as the tile has rows. */
static inline void multiply_block(
    int64_t rows, int64_t depth, int64_t columns, const REAL *x, int64_t share, int64_t down, int64_t right,
    const REAL *block, REAL *y, int64_t y_row, int add) {
    int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, most = tiles == 1 ? rows : TILE_ROWS, panels;
    int64_t ahead = (WIDTH + tiles - 1) / tiles; /* all tiles together fetch the next panels */
    for (int64_t j = 0; j < columns; j += panels * WIDTH, block += panels * depth * WIDTH) {
        panels = panels_for(most, (columns - j + WIDTH - 1) / WIDTH);
        int64_t whole = panels * WIDTH, width = columns - j < whole ? columns - j : whole;
        for (int64_t n = 0; n < tiles; n++) {
            int64_t first = rows * n / tiles, height = rows * (n + 1) / tiles - first;
            const REAL *next = block + (whole + n * ahead) * depth;
            Tile *tile = NAME(tiles)[panels / 2][height];
            REAL *to = y + first * y_row + j, rest[TILE_ROWS * TILE_PANELS * WIDTH]; /* no tile has more sums */
            if (width == whole) {
                tile(depth, x + first * share, down, right ? right : height, block, next, ahead, to,
                     y_row, add);
                continue;
            }
            for (int64_t r = 0; r < height && add; r++)
                memcpy(rest + r * whole, to + r * y_row, (size_t)width * sizeof(REAL));
            tile(depth, x + first * share, down, right ? right : height, block, next, ahead, rest,
                 whole, add);
            for (int64_t r = 0; r < height; r++)
                memcpy(to + r * y_row, rest + r * whole, (size_t)width * sizeof(REAL));
        }
    }
}

INLINE int64_t packed_size(int64_t rows, int64_t columns) {
    return rows * ((columns + WIDTH - 1) / WIDTH) * WIDTH;
}

/* packed: overwritten with one block, the (depth, columns) matrix whose element (k, j) is w[k * down + j * right]. */
void NAME(pack_block)(int64_t depth, int64_t columns, const REAL *w, int64_t down, int64_t right, REAL *packed);

/* y (B, columns): overwritten with x (B, rows) times the packed (rows, columns) matrix. x and y have no gaps. */
INLINE void product(int64_t B, int64_t rows, int64_t columns, const REAL *x, const REAL *packed, REAL *y) {
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        const REAL *block = packed + k0 * packed_size(1, columns);
        multiply_block(B, depth, columns, x + k0, rows, rows, 1, block, y, columns, k0 > 0);
    }
}

#endif
