/* Products of a few rows with a matrix that was packed beforehand, for one thread.

A packed matrix stands in blocks of DEPTH of its rows; each block in panels of WIDTH columns, the last one filled up with
zeros, and each panel row by row. Every element of a product is summed in the order of k within a block and over the
blocks, whatever rows it is computed together with: how lanes are shared among threads changes no bit.

Included once for each REAL.
*/

#ifndef GPURNN_MATRIX_H
#define GPURNN_MATRIX_H
#define DEPTH 256
#define VECTOR NAME(vector)
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))
#define WIDTH (2 * LANES)
#define MOST_PANELS 4 /* side by side, in a tile of few rows: one vector of sums would wait for itself at each k */
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address, 0, 2)
#define FETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#else
#define FETCH(address) (void)(address)
#define FETCH_TO_WRITE(address) (void)(address)
#endif
#endif

typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

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

/* y (rows, up to `panels` times WIDTH columns): overwritten with x (rows, depth) times so many panels of the matrix, or
   added to. The element (r, k) of x is x[r * down + k * right]. next: what is fetched into the cache meanwhile, a line
   for each k. rows and panels are constants where this is called, so that the sums stay in registers. */
INLINE void NAME(tile)(
    int rows, int panels, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next,
    REAL *y, int64_t y_row, int64_t columns, int add) {
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
        FETCH(next);
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
        REAL *to = y + r * y_row;
        if (columns == panels * WIDTH) {
#pragma GCC unroll 8
            for (int v = 0; v < 2 * panels; v++) {
                VECTOR *whole = (VECTOR *)(to + v * LANES);
                if (add)
                    sum[r][v] += *whole;
                *whole = sum[r][v];
            }
        } else {
            REAL row[MOST_PANELS * WIDTH];
            memcpy(row, sum[r], (size_t)(panels * WIDTH) * sizeof(REAL));
            for (int64_t j = 0; j < columns; j++)
                to[j] = add ? to[j] + row[j] : row[j];
        }
    }
}

/* How many panels a tile of so many rows has. */
INLINE int NAME(panels_for)(int64_t rows) {
    int panels = MOST_PANELS;
    while (panels > 1 && rows * panels > TILE_ROWS)
        panels /= 2;
    return panels;
}

/* The same for 1 to TILE_ROWS rows. */
INLINE void NAME(any_tile)(
    int64_t rows, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, REAL *y,
    int64_t y_row, int64_t columns, int add) {
#define TILE(n)                                                                                                        \
    case n:                                                                                                            \
        if (n <= TILE_ROWS)                                                                                            \
            NAME(tile)(n, 1, depth, x, down, right, panel, next, y, y_row, columns, add);                              \
        break
    switch (rows) {
        TILE(12);
        TILE(11);
        TILE(10);
        TILE(9);
        TILE(8);
        TILE(7);
        TILE(6);
        TILE(5);
        TILE(4);
        TILE(3);
        TILE(2);
        TILE(1);
    }
#undef TILE
}

/* y (B, columns): overwritten with x (B, rows) times the packed (rows, columns) matrix. x and y have no gaps. */
INLINE void NAME(product)(int64_t B, int64_t rows, int64_t columns, const REAL *x, const REAL *packed, REAL *y) {
    int64_t tiles = (B + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        for (int64_t j0 = 0; j0 < columns; j0 += WIDTH, packed += depth * WIDTH) {
            int64_t width = columns - j0 < WIDTH ? columns - j0 : WIDTH;
            for (int64_t n = 0; n < tiles; n++) {
                int64_t b = B * n / tiles;
                const REAL *next = packed + (n + 1 == tiles ? depth * WIDTH : 0);
                NAME(any_tile)(B * (n + 1) / tiles - b, depth, x + b * rows + k0, rows, 1, packed, next,
                               y + b * columns + j0, columns, width, k0 > 0);
            }
        }
    }
}
