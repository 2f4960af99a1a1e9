/* Products of a few rows with a matrix that was packed beforehand, for one thread.

A packed matrix stands in blocks of DEPTH of its rows; each block in panels of WIDTH columns, the last one filled up with
zeros, and each panel row by row. Every element of a product is summed in the order of k within a block and over the
blocks, whatever rows it is computed together with: how lanes are shared among threads changes no bit.

Included once for each REAL.
*/

#ifndef GPURNN_MATRIX_H
#define GPURNN_MATRIX_H
#define DEPTH 256
#define ROWS 6 /* of a tile: 6 x 2 vectors of sums, 2 of the matrix and 1 of x fit the registers of most processors.
                  Rows are shared evenly among tiles: one of few rows would wait for its sums. */
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address, 0, 2)
#define FETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#else
#define FETCH(address) (void)(address)
#define FETCH_TO_WRITE(address) (void)(address)
#endif
#endif

#define VECTOR PASTE(vector, REAL)
typedef REAL VECTOR __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
#define LANES ((int64_t)(32 / sizeof(REAL)))
#define WIDTH ((int64_t)(64 / sizeof(REAL)))

INLINE int64_t PASTE(packed_size, REAL)(int64_t rows, int64_t columns) {
    return rows * ((columns + WIDTH - 1) / WIDTH) * WIDTH;
}

/* packed: overwritten with one block, the (depth, columns) matrix whose element (k, j) is w[k * down + j * right]. */
INLINE void PASTE(pack_block, REAL)(
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
static inline void PASTE(pack, REAL)(
    int64_t rows, int64_t columns, const REAL *w, int64_t down, int64_t right, REAL *packed) {
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        PASTE(pack_block, REAL)(depth, columns, w + k0 * down, down, right, packed + k0 * PASTE(packed_size, REAL)(1, columns));
    }
}

/* y (rows, up to WIDTH columns): overwritten with x (rows, depth) times a panel, or added to. The element (r, k) of x is
   x[r * down + k * right]. next: what is fetched into the cache meanwhile, a line for each k. rows is a constant where
   this is called, so that the sums stay in registers. */
INLINE void PASTE(tile, REAL)(
    int rows, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, REAL *y,
    int64_t y_row, int64_t columns, int add) {
    VECTOR sum[ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        sum[r][0] = sum[r][1] = (VECTOR){0};
        FETCH_TO_WRITE(y + r * y_row);
    }
    for (int64_t k = 0; k < depth; k++, panel += WIDTH, next += WIDTH) {
        VECTOR head = *(const VECTOR *)panel, tail = *(const VECTOR *)(panel + LANES);
        FETCH(next);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            REAL xk = x[r * down + k * right];
            sum[r][0] += xk * head;
            sum[r][1] += xk * tail;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        REAL *to = y + r * y_row;
        if (columns == WIDTH) {
            VECTOR *whole = (VECTOR *)to, *rest = (VECTOR *)(to + LANES);
            if (add) {
                sum[r][0] += *whole;
                sum[r][1] += *rest;
            }
            *whole = sum[r][0];
            *rest = sum[r][1];
        } else {
            REAL row[WIDTH];
            memcpy(row, sum[r], sizeof row);
            for (int64_t j = 0; j < columns; j++)
                to[j] = add ? to[j] + row[j] : row[j];
        }
    }
}

/* The same for 1 to ROWS rows. */
INLINE void PASTE(any_tile, REAL)(
    int64_t rows, int64_t depth, const REAL *x, int64_t down, int64_t right, const REAL *panel, const REAL *next, REAL *y,
    int64_t y_row, int64_t columns, int add) {
#define TILE(n)                                                                                                        \
    case n:                                                                                                            \
        PASTE(tile, REAL)(n, depth, x, down, right, panel, next, y, y_row, columns, add);                              \
        break
    switch (rows) {
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
INLINE void PASTE(product, REAL)(
    int64_t B, int64_t rows, int64_t columns, const REAL *x, const REAL *packed, REAL *y) {
    int64_t tiles = (B + ROWS - 1) / ROWS;
    for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
        int64_t depth = rows - k0 < DEPTH ? rows - k0 : DEPTH;
        for (int64_t j0 = 0; j0 < columns; j0 += WIDTH, packed += depth * WIDTH) {
            int64_t width = columns - j0 < WIDTH ? columns - j0 : WIDTH;
            for (int64_t n = 0; n < tiles; n++) {
                int64_t b = B * n / tiles;
                const REAL *next = packed + (n + 1 == tiles ? depth * WIDTH : 0);
                PASTE(any_tile, REAL)(B * (n + 1) / tiles - b, depth, x + b * rows + k0, rows, 1, packed, next,
                                      y + b * columns + j0, columns, width, k0 > 0);
            }
        }
    }
}
