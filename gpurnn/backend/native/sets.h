/* The instruction sets: the file that includes this one is included again for each of them, with REAL as float and as
double. It looks like this:

    #ifndef REAL
    #include "real.h"
    #include "sets.h"
    #else
    ... whatever is compiled for each: functions called NAME(...)
    #endif

A set has a name, what the compiler may use for it, whether it rounds a multiplication and the addition after it once
(FUSES), the shape of a product's tile, TILE_ROWS rows and TILE_PANELS panels of two vectors of VECTOR_BYTES each, and
FMA of real.h for such vectors, VECTOR_FMA_float and _double. A tile's sums, the vectors of the matrix and one of x fit
the set's registers: 32 of them with AVX-512 and NEON, otherwise 16. Which sets there are, and which one runs, is
kernels.c's. Tiles of few rows have more panels side by side, up to MOST_PANELS: as many sums as hide each other's wait.

Every element of a product is summed in one order, whatever the tile, so that all sets that fuse give the same bits.
*/
#ifndef GPURNN_SETS_H
#define GPURNN_SETS_H

#define MOST_PANELS 4

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define SETS_OF_X86_64
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi,bmi2,prefer-vector-width=512")
#define SET v4
#define FUSES 1
#define TILE_ROWS 6
#define TILE_PANELS 2
#define VECTOR_BYTES 64
#define VECTOR_FMA_float _mm512_fmadd_ps
#define VECTOR_FMA_double _mm512_fmadd_pd
#include "reals.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2")
#define SET v3
#define FUSES 1
#define TILE_ROWS 6
#define TILE_PANELS 1
#define VECTOR_BYTES 32
#define VECTOR_FMA_float _mm256_fmadd_ps
#define VECTOR_FMA_double _mm256_fmadd_pd
#include "reals.h"
#pragma GCC pop_options
#endif

#define SET base
#define TILE_ROWS 6
#define VECTOR_BYTES 16
#ifdef __aarch64__
#include <arm_neon.h>
#define FUSES 1
#define TILE_PANELS 2
#define VECTOR_FMA_float(a, b, c) vfmaq_f32(c, a, b)
#define VECTOR_FMA_double(a, b, c) vfmaq_f64(c, a, b)
#else
#define FUSES 0
#define TILE_PANELS 1
#define VECTOR_FMA_float(a, b, c) ((a) * (b) + (c))
#define VECTOR_FMA_double(a, b, c) ((a) * (b) + (c))
#endif
#include "reals.h"

#endif
