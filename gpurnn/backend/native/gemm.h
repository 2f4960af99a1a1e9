/* One large product, and sums of rows, for one thread. */
#ifndef GPURNN_GEMM_H
#define GPURNN_GEMM_H

#include <stdint.h>

/* out (rows, columns) = a (rows, depth) b (depth, columns), or added to out. The element (i, k) of a is
   a[i * a_down + k * a_right], likewise of b; rows of out are out_down apart and have no gaps. */
typedef struct {
    int64_t rows, depth, columns;
    const void *a, *b;
    void *out;
    int64_t a_down, a_right, b_down, b_right, out_down;
    int add, few; /* few: see few_rows */
} Gemm;

#define DEPTH 256 /* rows of a matrix that are packed as one block */
#define GEMM_ROWS 96 /* rows of a packed at a time: they fit the second cache */
#define GEMM_WIDTH 1024 /* columns of b packed at a time: they fit the third */
#define GEMM_SCRATCH ((GEMM_ROWS + GEMM_WIDTH) * DEPTH * sizeof(double))

#endif
