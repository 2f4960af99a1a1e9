/* One large product, shared among threads by its columns. */
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
    int add;
} Gemm;

/* The columns from first to end; first is a multiple of 16. scratch: GEMM_SCRATCH bytes. */
void run_gemm_float(const Gemm *gemm, int64_t first, int64_t end, void *scratch);
void run_gemm_double(const Gemm *gemm, int64_t first, int64_t end, void *scratch);

#define GEMM_DEPTH 256
#define GEMM_WIDTH 256 /* columns of b packed at a time: with GEMM_DEPTH rows they fit the second cache */
#define GEMM_SCRATCH ((GEMM_DEPTH * GEMM_WIDTH + GEMM_DEPTH * 8) * 8)

#endif
