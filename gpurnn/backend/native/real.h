/* What every compiled body of a fused operation needs.

A body is written once and compiled for each instruction set of sets.h, for float and for double:

    BODY(name, takes)   void name_float_SET(void *const *arg, const int64_t *dim), and name_double_SET

takes: the arrays that it was written for, such as "*(B,4H) (4H) (N)index": the shape of each, behind a * where it is
written, before its kind where that is not "real". An operation of that name with other arguments does without it.
arg: the operation's arrays in the order of its arguments, C-contiguous. dim: its dimensions, by their letters in
alphabetical order. Where the first array's rows are called N or P (FusedOp in declared.py), several threads may share
them: N or P is then what one of them does, and dim[FIRST_ROW] the number of the first row.
*/
#ifndef GPURNN_REAL_H
#define GPURNN_REAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))

/* Places in `dim`. */
enum { FIRST_ROW = 4, DIMENSIONS };

#define PASTE_(name, end) name##_##end
#define PASTE(name, end) PASTE_(name, end)
#define OF_REAL(name) PASTE(name, REAL)
#define NAME(name) PASTE(OF_REAL(name), SET) /* of what is compiled for each REAL and instruction set */
#define BODY(name, what)                                                                                               \
    EXPORT const char *const PASTE(NAME(name), takes) = what;                                                          \
    EXPORT void NAME(name)(void *const *arg, const int64_t *dim)

/* a b + c, rounded once where the set fuses. */
INLINE float fma_float(int fuses, float a, float b, float c) { return fuses ? __builtin_fmaf(a, b, c) : a * b + c; }

INLINE double fma_double(int fuses, double a, double b, double c) { return fuses ? __builtin_fma(a, b, c) : a * b + c; }

/* exp(x) - 1 for x <= 0, to about 1 unit in the last place; exp(x) = 2^k exp(r) with |r| <= ln(2)/2, a Taylor series in
   r. Below -87, where 2^k is no float any more, it is -1 to the last place. NaN gives NaN: the comparison is false. */
INLINE float expm1_negative_float(int fuses, float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    float z = fma_float(fuses, x, 1.442695041f, shift);
    float k = z - shift;
    float r = fma_float(fuses, -k, 0.693145752f, x); /* ln 2 in two parts, the first with few bits */
    r = fma_float(fuses, -k, 1.42860677e-6f, r);
    float q = 1.0f / 5040;
    q = fma_float(fuses, q, r, 1.0f / 720);
    q = fma_float(fuses, q, r, 1.0f / 120);
    q = fma_float(fuses, q, r, 1.0f / 24);
    q = fma_float(fuses, q, r, 1.0f / 6);
    q = fma_float(fuses, q, r, 0.5f);
    q = fma_float(fuses, q, r, 1.0f);
    q = q * r;
    uint32_t bits;
    memcpy(&bits, &z, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float power; /* 2^k */
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? -1.0f : fma_float(fuses, power, q, power - 1.0f);
}

INLINE double expm1_negative_double(int fuses, double x) { return expm1(x); }

INLINE float tanh_float(int fuses, float x) {
    float e = expm1_negative_float(fuses, -2.0f * fabsf(x));
    return copysignf(-e / (2.0f + e), x);
}

INLINE double tanh_double(int fuses, double x) { return tanh(x); }

INLINE float sigmoid_float(int fuses, float x) {
    return fma_float(fuses, 0.5f, tanh_float(fuses, 0.5f * x), 0.5f);
}

INLINE double sigmoid_double(int fuses, double x) { return fma_double(fuses, 0.5, tanh(0.5 * x), 0.5); }

INLINE float root_float(float x) { return sqrtf(x); }

INLINE double root_double(double x) { return sqrt(x); }

/* For the set that is being compiled. Every a b + c of a body is an FMA: the compiler, left to choose, fuses other
   multiplications in the vectors of a loop than in its rest, and bits depend on where an element stands. */
#define FMA(a, b, c) OF_REAL(fma)(FUSES, a, b, c)
#define TANH(x) OF_REAL(tanh)(FUSES, x)
#define SIGMOID(x) OF_REAL(sigmoid)(FUSES, x)
#define EXPM1_NEGATIVE(x) OF_REAL(expm1_negative)(FUSES, x)
#define ROOT OF_REAL(root)

#endif
