/* Products of a few rows with a matrix that was packed beforehand, for one thread.

A packed matrix stands in blocks of DEPTH of its rows; each block in panels of WIDTH columns, the last one filled up with
zeros, and each panel row by row. Every element of a product is summed in the order of k within a block and over the
blocks, whatever rows it is computed together with: how lanes are shared among threads changes no bit.

Included once for each REAL.
*/

#ifndef GPURNN_MATRIX_H
#define GPURNN_MATRIX_H
#define DEPTH 256
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define WIDTH (2 * LANES)
#endif

/* y: overwritten with x times the panels of the matrix that the tile has, or added to. The element (r, k) of x is
   x[r * down + k * right]; rows of y are y_row apart. next: what is fetched into the cache meanwhile. */
typedef void NAME(Tile)(
    int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, REAL *y, int64_t y_row,
    int add);

/* By their number of rows: tiles of one panel, and of as many side by side as the registers hold (panels_for). */
extern NAME(Tile) *const NAME(tiles)[TILE_ROWS + 1], *const NAME(wide_tiles)[TILE_ROWS / 2 + 1];

/* How many panels the sums of so many rows leave room for. */
INLINE int NAME(panels_for)(int64_t rows) { return 4 * rows <= TILE_ROWS ? 4 : 2 * rows <= TILE_ROWS ? 2 : 1; }

/* A tile of `rows` rows and `panels` panels, whose last columns y may lack. */
static inline void NAME(run_tile)(
    int64_t rows, int64_t panels, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel,
    const REAL *next, REAL *y, int64_t y_row, int64_t columns, int add) {
    NAME(Tile) *tile = (panels == 1 ? NAME(tiles) : NAME(wide_tiles))[rows];
    int64_t width = panels * WIDTH;
    if (columns == width) {
        tile(depth, x, down, right, panel, next, y, y_row, add);
        return;
    }
    REAL whole[TILE_ROWS * WIDTH]; /* no tile has more sums */
    for (int64_t r = 0; r < rows && add; r++)
        memcpy(whole + r * width, y + r * y_row, (size_t)columns * sizeof(REAL));
    tile(depth, x, down, right, panel, next, whole, width, add);
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * y_row, whole + r * width, (size_t)columns * sizeof(REAL));
}

INLINE int64_t NAME(packed_size)(int64_t rows, int64_t columns) {
    return rows * ((columns + WIDTH - 1) / WIDTH) * WIDTH;
}

/* packed: overwritten with one block, the (depth, columns) matrix whose element (k, j) is w[k * down + j * right]. */
INLINE void NAME(pack_block)(
    int64_t depth, int64_t columns, const REAL *w, int64_t down, int64_t right, REAL *packed) {
    for (int64_t j0 = 0; j0 < columns; j0 += WIDTH, packed += depth * WIDTH, w += WIDTH * right) {
        int64_t width = columns - j0 < WIDTH ? columns - j0 : WIDTH;
        if (width == WIDTH && right == 1)
            for (int64_t k = 0; k < depth; k++)
                memcpy(packed + k * WIDTH, w + k * down, WIDTH * sizeof(REAL));
        else if (width == WIDTH)
            for (int64_t j = 0; j < WIDTH; j++)
                for (int64_t k = 0; k < depth; k++)
                    packed[k * WIDTH + j] = w[k * down + j * right];
        else
            for (int64_t k = 0; k < depth; k++)
                for (int64_t j = 0; j < WIDTH; j++)
                    packed[k * WIDTH + j] = j < width ? w[k * down + j * right] : 0;
    }
}

/* packed: overwritten with the whole (rows, columns) matrix. */
static inline void NAME(pack)(
    int64_t rows, int64_t columns, const REAL *w, int64_t down, int64_t right, REAL *packed) {
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        NAME(pack_block)(depth, columns, w + k0 * down, down, right, packed + k0 * NAME(packed_size)(1, columns));
    }
}

/* y (B, columns): overwritten with x (B, rows) times the packed (rows, columns) matrix. x and y have no gaps. */
INLINE void NAME(product)(int64_t B, int64_t rows, int64_t columns, const REAL *x, const REAL *packed, REAL *y) {
    int64_t tiles = (B + TILE_ROWS - 1) / TILE_ROWS, panels = tiles == 1 ? NAME(panels_for)(B) : 1;
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH, side = 1;
        for (int64_t j0 = 0; j0 < columns; j0 += side * WIDTH, packed += side * depth * WIDTH) {
            side = columns - j0 > (panels - 1) * WIDTH ? panels : 1;
            int64_t width = columns - j0 < side * WIDTH ? columns - j0 : side * WIDTH;
            for (int64_t n = 0; n < tiles; n++) {
                int64_t b = B * n / tiles;
                const REAL *next = packed + (n + 1 == tiles ? side * depth * WIDTH : 0);
                NAME(run_tile)(B * (n + 1) / tiles - b, side, depth, x + b * rows + k0, rows, 1, packed, next,
                               y + b * columns + j0, columns, width, k0 > 0);
            }
        }
    }
}
