/* The loop over the steps of a window, for any cell that has a compiled body. */
#ifndef GPURNN_LOOP_H
#define GPURNN_LOOP_H

#include <stdint.h>

#define MOST_ARGUMENTS 64 /* of a compiled body: as many as a mask of arguments has bits */

typedef void (*Body)(void *const *arg, const int64_t *dim);

/* An array through time: where step 0 of lane 0 begins, and how many bytes the next step and the next lane are away. */
typedef struct {
    char *base;
    int64_t step, lane;
} Through;

/* forward: for each step r = h(t-1) W, then the body. backward: for each step, the last first, the body, then
   dh_rec = da_rec W^T. Where carry (T, B) is 0, a step sees zeros for the states before it, and no error leaves it.

   x, y: what the product reads and writes; x is h(t-1) forward, y is dh_rec backward. packed: the matrix, (rows,
   columns). arg: the body's arguments. before: those that are states before the step, a bit each; errors: those that are
   errors which go back, y aside. masked: scratch for the states as a step sees them, of the size of one each. */
typedef struct {
    Body body;
    int arguments, backward;
    uint64_t before, errors;
    Through arg[MOST_ARGUMENTS], x, y;
    char *packed, *masked;
    int64_t lanes, rows, columns, steps, hidden;
    const void *carry;
} Loop;

#endif
