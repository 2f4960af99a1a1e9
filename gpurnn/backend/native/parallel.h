/* Work in several threads. */
#ifndef GPURNN_PARALLEL_H
#define GPURNN_PARALLEL_H

#include <stdint.h>

#define MOST_THREADS 64

/* How many threads some work is for that can be cut into `most` parts, where up to `threads` are wanted. */
int threads_for(double operations, long long most, int threads);

/* Operations of a product that take as long as reading so many bytes of a matrix that is used once. */
static inline double reading(double bytes) { return 2 * bytes; }

static inline int64_t tiles_in(int64_t count, int64_t of_a_tile) { return (count + of_a_tile - 1) / of_a_tile; }

/* Where a part of the tiles ends, in rows or columns. */
static inline int64_t end_of_part(int64_t count, int64_t of_a_tile, int part, int parts) {
    int64_t end = tiles_in(count, of_a_tile) * (part + 1) / parts * of_a_tile;
    return end < count ? end : count;
}

/* Does part 0, 1, ... parts - 1 (up to MOST_THREADS) of some work, each by a thread of its own where there are threads to
   be had. While one thread of the program does so, another one that asks for it too does all its parts alone. */
void in_parallel(int parts, void (*work)(void *given, int part, int parts), void *given);

#endif
