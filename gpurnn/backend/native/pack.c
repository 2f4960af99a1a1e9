/* How a matrix is packed for products, see matrix.h. */
#include "kernels.h"
#include "matrix.h"

/* Elements of a and b in turn, half a vector of each, from number `first` on. */
INLINE VECTOR interleaved(VECTOR a, VECTOR b, int first) {
#if defined(__GNUC__) && !defined(__clang__)
    __typeof__(a < b) from; /* a vector of whole numbers; those of b's elements are higher by LANES */
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        from[i] = first + i / 2 + i % 2 * LANES;
    return __builtin_shuffle(a, b, from);
#else
    VECTOR both;
    for (int i = 0; i < LANES; i++)
        both[i] = i % 2 ? b[first + i / 2] : a[first + i / 2];
    return both;
#endif
}

/* to: LANES rows of a panel, of which LANES columns are overwritten: column j stands without gaps at from + j * right,
   and from number `there` on columns are zeros. Interleaving the first half of the vectors with the second moves each bit
   of a place's two numbers up by one; after as many times as a number has bits, rows and columns have changed places. */
INLINE void transpose(int64_t there, const REAL *from, int64_t right, REAL *to) {
    VECTOR v[LANES], w[LANES];
#pragma GCC unroll 16
    for (int j = 0; j < LANES; j++) {
        v[j] = (VECTOR){0};
        if (j < there)
            v[j] = *(const STORED *)(from + j * right);
    }
#pragma GCC unroll 4
    for (int n = 1; n < LANES; n *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            w[2 * i] = interleaved(v[i], v[i + LANES / 2], 0);
            w[2 * i + 1] = interleaved(v[i], v[i + LANES / 2], LANES / 2);
        }
        memcpy(v, w, sizeof v);
    }
#pragma GCC unroll 16
    for (int k = 0; k < LANES; k++)
        *(STORED *)(to + k * WIDTH) = v[k];
}

void NAME(pack_block)(int64_t depth, int64_t columns, const REAL *w, int64_t down, int64_t right, REAL *packed) {
    for (int64_t j0 = 0; j0 < columns; j0 += WIDTH, packed += depth * WIDTH, w += WIDTH * right) {
        int64_t width = columns - j0 < WIDTH ? columns - j0 : WIDTH, k = 0;
        if (right == 1 && width == WIDTH)
            for (; k < depth; k++)
                memcpy(packed + k * WIDTH, w + k * down, WIDTH * sizeof(REAL));
        else if (down == 1)
            for (; k + LANES <= depth; k += LANES)
                for (int64_t j = 0; j < WIDTH; j += LANES) {
                    const REAL *from = w + k + j * right;
                    if (j + LANES <= width)
                        transpose(LANES, from, right, packed + k * WIDTH + j);
                    else
                        transpose(width - j, from, right, packed + k * WIDTH + j);
                }
        for (; k < depth; k++)
            for (int64_t j = 0; j < WIDTH; j++)
                packed[k * WIDTH + j] = j < width ? w[k * down + j * right] : 0;
    }
}
