/* Arithmetic of what is compiled for each instruction set and REAL, see sets.h. */
#ifndef GPURNN_REAL_H
#define GPURNN_REAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "inline.h"
#include "sets.h"

/* a b + c, rounded once where the set fuses. Every a b + c is written so: the compiler, left to choose, fuses other
   multiplications in the vectors of a loop than in its rest, and bits depend on where an element stands. */
INLINE float fma_float(float a, float b, float c) { return FUSES ? __builtin_fmaf(a, b, c) : a * b + c; }

INLINE double fma_double(double a, double b, double c) { return FUSES ? __builtin_fma(a, b, c) : a * b + c; }

/* exp(x) - 1 for x <= 0, to about 1 unit in the last place; exp(x) = 2^k exp(r) with |r| <= ln(2)/2, a Taylor series in
   r. Below -87, where 2^k is no float any more, it is -1 to the last place. NaN gives NaN: the comparison is false. */
INLINE float expm1_negative_float(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    float z = fma_float(x, 1.442695041f, shift);
    float k = z - shift;
    float r = fma_float(-k, 0.693145752f, x); /* ln 2 in two parts, the first with few bits */
    r = fma_float(-k, 1.42860677e-6f, r);
    float q = 1.0f / 5040;
    q = fma_float(q, r, 1.0f / 720);
    q = fma_float(q, r, 1.0f / 120);
    q = fma_float(q, r, 1.0f / 24);
    q = fma_float(q, r, 1.0f / 6);
    q = fma_float(q, r, 0.5f);
    q = fma_float(q, r, 1.0f);
    q = q * r;
    uint32_t bits;
    memcpy(&bits, &z, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float power; /* 2^k */
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? -1.0f : fma_float(power, q, power - 1.0f);
}

INLINE double expm1_negative_double(double x) { return expm1(x); }

/* exp(x) for x <= 0, or hardly more, in the same way, but with a series in pairs, so that few steps follow from one
   another; other than exp it can stand in the vectors of a loop. Where 2^k is no double any more it is 0. NaN gives
   NaN. */
INLINE double exp_negative_double(double x) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    double z = fma_double(x, 1.4426950408889634, shift);
    double k = z - shift;
    double r = fma_double(-k, 0.69314718036912382, x);
    r = fma_double(-k, 1.9082149292705877e-10, r);
    double r2 = r * r, r4 = r2 * r2;
    double low = fma_double(fma_double(1.0 / 6, r, 0.5), r2, 1.0 + r);
    double next = fma_double(fma_double(1.0 / 5040, r, 1.0 / 720), r2, fma_double(1.0 / 120, r, 1.0 / 24));
    double after = fma_double(1.0 / 362880, r, 1.0 / 40320);
    double high = fma_double(fma_double(1.0 / 39916800, r, 1.0 / 3628800), r2, after);
    double top = fma_double(1.0 / 6227020800, r, 1.0 / 479001600);
    double q = fma_double(fma_double(fma_double(top, r4, high), r4, next), r4, low);
    uint64_t bits;
    memcpy(&bits, &z, sizeof bits);
    bits = (bits << 52) + 0x3ff0000000000000u;
    double power;
    memcpy(&power, &bits, sizeof power);
    return x < -708.0 ? 0.0 : q * power;
}

/* log(1 + x) for 0 <= x <= 1, to about 1 unit in the last place of 1: twice the series of artanh f, in pairs too, where
   (1 + f) / (1 - f) is 1 + x or, above the root of 2, half of that. NaN gives NaN. */
INLINE double log1p_unit_double(double x) {
    int half = x > 0.41421356237309503;
    double f = (half ? x - 1.0 : x) / (half ? x + 3.0 : x + 2.0), s = f * f, s2 = s * s, s4 = s2 * s2;
    double low = fma_double(fma_double(1.0 / 9, s, 1.0 / 7), s2, fma_double(1.0 / 5, s, 1.0 / 3));
    double high = fma_double(fma_double(1.0 / 17, s, 1.0 / 15), s2, fma_double(1.0 / 13, s, 1.0 / 11));
    double top = fma_double(1.0 / 21, s, 1.0 / 19);
    double q = fma_double(fma_double(fma_double(top, s4, high), s4, low), s * f, f);
    return fma_double(2.0, q, half ? 0.69314718055994531 : 0.0);
}

INLINE float tanh_float(float x) {
    float e = expm1_negative_float(-2.0f * fabsf(x));
    return copysignf(-e / (2.0f + e), x);
}

INLINE double tanh_double(double x) { return tanh(x); }

INLINE float sigmoid_float(float x) {
    return fma_float(0.5f, tanh_float(0.5f * x), 0.5f);
}

INLINE double sigmoid_double(double x) { return fma_double(0.5, tanh(0.5 * x), 0.5); }

INLINE float root_float(float x) { return sqrtf(x); }

INLINE double root_double(double x) { return sqrt(x); }

/* Of REAL. */
#define JOIN_(name, real) name##_##real
#define JOIN(name, real) JOIN_(name, real)
#define FMA JOIN(fma, REAL)
#define TANH JOIN(tanh, REAL)
#define SIGMOID JOIN(sigmoid, REAL)
#define EXPM1_NEGATIVE JOIN(expm1_negative, REAL)
#define ROOT JOIN(root, REAL)
#define VECTOR_FMA JOIN(VECTOR_FMA, REAL)

#endif
