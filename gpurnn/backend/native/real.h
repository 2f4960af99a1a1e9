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

/* exp(x) - 1 for x <= 0, to about 1 unit in the last place; exp(x) = 2^k exp(r) with |r| <= ln(2)/2, a Taylor series in
   r. NaN gives NaN: the comparison is false for it. */
INLINE float expm1_negative_float(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    x = x < -87.0f ? -87.0f : x;
    float z = x * 1.442695041f + shift;
    float k = z - shift;
    float r = (x - k * 0.693145752f) - k * 1.42860677e-6f; /* ln 2 in two parts, the first with few bits */
    float q = 1.0f / 5040;
    q = q * r + 1.0f / 720;
    q = q * r + 1.0f / 120;
    q = q * r + 1.0f / 24;
    q = q * r + 1.0f / 6;
    q = q * r + 0.5f;
    q = q * r + 1.0f;
    q = q * r;
    uint32_t bits;
    memcpy(&bits, &z, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float power; /* 2^k */
    memcpy(&power, &bits, sizeof power);
    return power * q + (power - 1.0f);
}

INLINE double expm1_negative_double(double x) { return expm1(x); }

INLINE float tanh_float(float x) {
    float e = expm1_negative_float(-2.0f * fabsf(x));
    return copysignf(-e / (2.0f + e), x);
}

INLINE double tanh_double(double x) { return tanh(x); }

INLINE float sigmoid_float(float x) { return 0.5f + 0.5f * tanh_float(0.5f * x); }

INLINE double sigmoid_double(double x) { return 0.5 + 0.5 * tanh(0.5 * x); }

INLINE float root_float(float x) { return sqrtf(x); }

INLINE double root_double(double x) { return sqrt(x); }

INLINE float fused_float(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

INLINE double fused_double(double a, double b, double c) { return __builtin_fma(a, b, c); }

#define FMA(a, b, c) (FUSES ? OF_REAL(fused)(a, b, c) : (a) * (b) + (c)) /* a b + c, rounded once where the set fuses */
#define TANH OF_REAL(tanh)
#define SIGMOID OF_REAL(sigmoid)
#define EXPM1_NEGATIVE OF_REAL(expm1_negative)
#define ROOT OF_REAL(root)

#endif
