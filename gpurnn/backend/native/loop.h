/* Compiled bodies of operations, and the loop over steps of one that is called at each of them. */
#ifndef GPURNN_LOOP_H
#define GPURNN_LOOP_H

#include <stdint.h>

#define MOST_ARGUMENTS 64 /* of a compiled body: as many as a mask of arguments has bits */

/* Dimensions by their letters. N and P, which threads share: those of this call; first: the number of the first. */
typedef struct {
    int64_t B, H, K, N, P, first;
} Dims;

/* Calls a compiled body with its arguments, the arrays of the operation in their order; see operations.c. */
typedef void Body(void *const *arrays, const Dims *dims);

/* takes: the arrays that the body was written for, such as "*(B,4H) (4H) (N)index": the shape of each, behind a * where it
   is written, before its kind where that is not "real". An operation of that name with other arguments is another one. */
typedef struct {
    const char *name, *takes;
    Body *body;
} Operation;

/* An array through time: where step 0 of lane 0 begins, and how many bytes the next step and the next lane are away. */
typedef struct {
    char *base;
    int64_t step, lane;
} Through;

/* y (lanes, columns): overwritten with x (lanes, rows) times a packed (rows, columns) matrix; x and y have no gaps.
   scratch: at a multiple of 64, of the size that Kernels tells. */
typedef void TimesPacked(
    int64_t lanes, int64_t rows, int64_t columns, const void *x, const void *packed, void *y, void *scratch);

/* forward: for each step r = h(t-1) W, then the body. backward: for each step, the last first, the body, then
   dh_rec = da_rec W^T. Where carry (T, B) is 0, a step sees zeros for the states before it, and no error leaves it.

   x, y: what the product reads and writes; x is h(t-1) forward, y is dh_rec backward. packed: the matrix, (rows,
   columns). arg: the body's arguments. before: those that are states before the step, a bit each; errors: those that are
   errors which go back, y aside. masked: scratch for the states as a step sees them, of the size of one each. scratch: of
   times_packed, lane_bytes for each lane. */
typedef struct {
    Body *body;
    TimesPacked *times_packed;
    int arguments, backward;
    uint64_t before, errors;
    Through arg[MOST_ARGUMENTS], x, y;
    char *packed, *masked, *scratch;
    int64_t lanes, rows, columns, steps, hidden, lane_bytes;
    const void *carry;
} Loop;

#endif
