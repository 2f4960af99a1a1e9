/* Compiled bodies of operations, and the loop over steps of one that is called at each of them. */
#ifndef GPURNN_LOOP_H
#define GPURNN_LOOP_H

#include <stdint.h>

#define MOST_ARGUMENTS 64 /* of a compiled body: as many as a mask of arguments has bits */

/* Dimensions by their letters. What threads share, N, P or B: those of this call; first: the number of the first; lanes: how
   many B are in all. */
typedef struct {
    int64_t B, C, H, K, L, N, P, Q, first, lanes;
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

/* Forward each step computes y = x times the matrix, then the body; backward, the last step first, the body, then y = x times
   the matrix, which was packed as its transpose. See Backend.bind_loop for carry (T, B).

   packed: the matrix, (rows, columns). arg: the body's arguments, with a bit each in masked, for those that a step sees as
   zeros where carry is 0, and cleared, for those that are zeros after it. seen: scratch for what is masked, with x, as a
   step sees it. scratch: of times_packed, lane_bytes for each lane. hidden: the width of what is masked and cleared. */
typedef struct {
    Body *body;
    TimesPacked *times_packed;
    int arguments, backward;
    uint64_t masked, cleared;
    Through arg[MOST_ARGUMENTS], x, y;
    char *packed, *seen, *scratch;
    int64_t lanes, rows, columns, steps, hidden, lane_bytes;
    const void *carry;
} Loop;

#endif
