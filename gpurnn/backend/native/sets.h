/* What the instruction set has that a file is being compiled for.

Files that are compiled for each set (setup.py says which, and with which options of the compiler) have

    SET     its name in C: v4 and v3 of x86-64, or base, which every processor has
    REAL    float or double

defined, and here whether it rounds a multiplication and the addition after it once (FUSES), the shape of a product's tile,
TILE_ROWS rows and TILE_PANELS panels of two vectors of VECTOR_BYTES each, and FMA of real.h for such vectors,
VECTOR_FMA_float and _double. A tile's sums, the vectors of the matrix and one of x fit the set's registers: 32 of them with
AVX-512 and NEON, otherwise 16. Tiles of few rows have more panels side by side, up to MOST_PANELS: as many sums as hide
each other's wait. Which set runs is kernels.c's.

Every element of a product is summed in one order, whatever the tile, so that all sets that fuse give the same bits.
*/
#ifndef GPURNN_SETS_H
#define GPURNN_SETS_H

#define TILE_ROWS 6
#define MOST_PANELS 4

#if defined(__AVX512F__)
#include <immintrin.h>
#define FUSES 1
#define TILE_PANELS 2
#define VECTOR_BYTES 64
#define VECTOR_FMA_float _mm512_fmadd_ps
#define VECTOR_FMA_double _mm512_fmadd_pd
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define FUSES 1
#define TILE_PANELS 1
#define VECTOR_BYTES 32
#define VECTOR_FMA_float _mm256_fmadd_ps
#define VECTOR_FMA_double _mm256_fmadd_pd
#elif defined(__aarch64__)
#include <arm_neon.h>
#define FUSES 1
#define TILE_PANELS 2
#define VECTOR_BYTES 16
#define VECTOR_FMA_float(a, b, c) vfmaq_f32(c, a, b)
#define VECTOR_FMA_double(a, b, c) vfmaq_f64(c, a, b)
#else
#define FUSES 0
#define TILE_PANELS 1
#define VECTOR_BYTES 16
#define VECTOR_FMA_float(a, b, c) ((a) * (b) + (c))
#define VECTOR_FMA_double(a, b, c) ((a) * (b) + (c))
#endif

#define PASTE_(name, real, set) name##_##real##_##set
#define PASTE(name, real, set) PASTE_(name, real, set)
/* What the linker, and who reads a disassembly, calls a function for this REAL and SET, such as run_gemm_float_v4. */
#define NAME(name) PASTE(name, REAL, SET)

#endif
