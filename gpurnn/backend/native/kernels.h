/* What is compiled for each instruction set besides the bodies of operations: one table of functions for each REAL. */
#ifndef GPURNN_KERNELS_H
#define GPURNN_KERNELS_H

#include "gemm.h"
#include "loop.h"
#include "sets.h"

/* The columns from first to end; first is a multiple of tile_columns. scratch: GEMM_SCRATCH bytes. */
typedef void RunGemm(const Gemm *gemm, int64_t first, int64_t end, void *scratch);

/* Adds row i of `from`, (n, width), to row `row[i]` of `to`, for each i in turn; rows are `down` elements apart. */
typedef void AddRows(int64_t n, int64_t width, int64_t down, const void *from, const intptr_t *row, void *to);

/* All steps, in the lanes from first to end. */
typedef void RunLoop(const Loop *loop, int64_t first, int64_t end);

/* Of a packed (rows, columns) matrix. */
typedef int64_t PackedBytes(int64_t rows, int64_t columns);

/* packed: the columns from first to end overwritten with those of a (rows, columns) matrix whose element (k, j) is
   w[k * down + j * right]; first is a multiple of tile_columns. */
typedef void PackMatrix(
    int64_t rows, int64_t columns, const void *w, int64_t down, int64_t right, void *packed, int64_t first, int64_t end);

/* packed: overwritten with the strips of a (rows, columns) matrix without gaps, each filled up with zeros and row by row. */
typedef void PackStrips(int64_t rows, int64_t columns, const void *matrix, void *packed);

/* y (1, columns): the strips from first to end overwritten with x (1, rows) times a matrix that was packed in strips, the
   last one first where `backwards` says so. Every element is summed in the order of the rows, as `few_rows` does. */
typedef void RowProduct(
    int64_t rows, int64_t columns, const void *x, const void *packed, void *y, int64_t first, int64_t end, int backwards);

/* What times_packed needs as scratch for each lane. */
typedef int64_t LaneBytes(int64_t rows);

/* out: overwritten with the elements first to first + count of a mask, 0 with probability p, else scale; see
   Backend.dropout_mask. */
typedef void DropoutMask(
    int64_t first, int64_t count, void *out, int64_t window, uint64_t seed, uint64_t layer, double p, double scale);

typedef struct {
    int fuses; /* whether a multiplication and an addition are rounded once */
    int64_t tile_rows, tile_columns; /* of a product: threads share whole tiles */
    int64_t strip; /* columns of a row's product */
    RunGemm *run_gemm;
    AddRows *add_rows;
    RunLoop *run_loop;
    PackedBytes *packed_bytes;
    PackMatrix *pack_matrix;
    TimesPacked *times_packed;
    LaneBytes *lane_bytes; /* NULL: none */
    PackStrips *pack_strips; /* NULL, and so is row_product: there is none */
    RowProduct *row_product;
    DropoutMask *dropout_mask;
    const Operation *operations; /* one without a name is the end */
} Kernels;

/* An instruction set that this library was compiled for. */
typedef struct {
    const char *name; /* for people */
    int bf16; /* whether products of float32 have factors that are rounded to bfloat16 */
    int (*runs)(void); /* whether this processor has it, and the system lets this process use it */
    const Kernels *of_float, *of_double;
} InstructionSet;

extern const InstructionSet instruction_sets[]; /* the best one first; one without a name is the end */

static inline const Kernels *kernels_for(const InstructionSet *set, int64_t item) {
    return item == sizeof(float) ? set->of_float : set->of_double;
}

#ifdef REAL
RunGemm NAME(run_gemm);
AddRows NAME(add_rows);
RunLoop NAME(run_loop);
PackedBytes NAME(packed_bytes);
PackMatrix NAME(pack_matrix);
TimesPacked NAME(times_packed);
PackStrips NAME(pack_strips);
RowProduct NAME(row_product);
DropoutMask NAME(dropout_mask);
extern const Operation NAME(operations)[];
#endif

#endif
