// What a kernel finds in place of nvcc's built-ins when g++ compiles it for the emulated device. HK_HEADERS: and the
// headers that it may include. Most kernels include none; without those g++ takes half the time.
#pragma once
#ifdef HK_HEADERS
#include <cuComplex.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif
#include <vector_functions.h>
#include <vector_types.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "../native/hk.h"

#ifdef HK_HEADERS
#define THRUST_DEVICE_SYSTEM THRUST_DEVICE_SYSTEM_CPP
#define THRUST_HOST_SYSTEM THRUST_HOST_SYSTEM_CPP
#include <cupy/cuda_workaround.h>
#include <thrust/pair.h>
#include <thrust/swap.h>
#include <thrust/tuple.h>
#endif

// __shared__ variables are thread-local variables, which a library has only where it has at least one; see driver.cpp.
static thread_local uint64_t hk_marker[2];
extern "C" __attribute__((visibility("default"), used)) inline void* hk_shared_memory() { return hk_marker; }

// ---- how the device calls a kernel

namespace hk {

template <class T>
using argument = std::remove_const_t<std::remove_reference_t<T>>;

template <auto Function>
struct kernel;

template <class... Arguments, void (*Function)(Arguments...)>
struct kernel<Function> {
  template <size_t... I>
  static void call_with(void** arguments, std::index_sequence<I...>) {
    Function(*(argument<Arguments>*)arguments[I]...);
  }
  static void call(void** arguments) { call_with(arguments, std::index_sequence_for<Arguments...>{}); }
  static constexpr size_t sizes[sizeof...(Arguments) + 1] = {sizeof(Arguments)..., 0};
  static constexpr hk_kernel description{&call, (int)sizeof...(Arguments), sizes};
};

template <class T>
inline uint64_t bits(T value) {
  static_assert(sizeof value <= sizeof(uint64_t));
  uint64_t out = 0;
  memcpy(&out, &value, sizeof value);
  return out;
}

template <class T>
inline T from_bits(uint64_t in) {
  T value;
  memcpy(&value, &in, sizeof value);
  return value;
}

}  // namespace hk

#define HK_KERNEL(NAME) \
  extern "C" __attribute__((visibility("default"))) const hk_kernel hk_kernel_##NAME = hk::kernel<NAME>::description;

#define threadIdx (*(const uint3*)&hk_self->index)
#define blockIdx (*(const uint3*)&hk_this_block->index)
#define blockDim (*(const uint3*)&hk_this_block->size)
#define gridDim (*(const uint3*)&hk_this_block->grid)
#define warpSize 32

// ---- barriers

inline void __syncthreads() { hk_barrier(0); }
inline int __syncthreads_or(int predicate) {
  hk_barrier(predicate);
  return hk_this_block->any;
}
inline int __syncthreads_and(int predicate) {
  hk_barrier(predicate);
  return hk_this_block->all;
}
inline int __syncthreads_count(int predicate) {
  hk_barrier(predicate);
  return hk_this_block->count;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __trap() { hk_trap("__trap()"); }
#undef assert
#define assert(condition) ((condition) ? (void)0 : hk_trap("assert(" #condition ")"))

// ---- warps

#define HK_LANE (hk_self->rank & 31)

inline void __syncwarp(unsigned mask = 0xffffffffu) { hk_warp_exchange(mask, 0, HK_LANE); }

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return hk::from_bits<T>(hk_warp_exchange(mask, hk::bits(value), (HK_LANE & ~(width - 1)) + (source & (width - 1))));
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = HK_LANE, source = lane - (int)delta;
  return hk::from_bits<T>(hk_warp_exchange(mask, hk::bits(value), source < (lane & ~(width - 1)) ? lane : source));
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = HK_LANE, source = lane + (int)delta;
  return hk::from_bits<T>(hk_warp_exchange(mask, hk::bits(value), source > (lane | (width - 1)) ? lane : source));
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  int lane = HK_LANE, source = lane ^ bits;
  return hk::from_bits<T>(hk_warp_exchange(mask, hk::bits(value), source > (lane | (width - 1)) ? lane : source));
}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return hk_warp_ballot(mask, predicate); }
inline int __any_sync(unsigned mask, int predicate) { return hk_warp_ballot(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return hk_warp_ballot(mask, !predicate) == 0; }

// ---- atomics: only one thread runs at a time

#define HK_ATOMIC(NAME, RESULT)                            \
  template <class T>                                       \
  inline T NAME(T* address, std::common_type_t<T> value) { \
    T old = *address;                                      \
    *address = (T)(RESULT);                                \
    return old;                                            \
  }
HK_ATOMIC(atomicAdd, old + value)
HK_ATOMIC(atomicSub, old - value)
HK_ATOMIC(atomicExch, value)
HK_ATOMIC(atomicMax, old > value ? old : value)
HK_ATOMIC(atomicMin, old < value ? old : value)
HK_ATOMIC(atomicAnd, old& value)
HK_ATOMIC(atomicOr, old | value)
HK_ATOMIC(atomicXor, old ^ value)
template <class T>
inline T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value) {
  T old = *address;
  if (old == expected) *address = value;
  return old;
}

// ---- loads, bits, mathematics

template <class T>
inline T __ldg(const T* p) {
  return *p;
}
template <class T>
inline T __ldcg(const T* p) {
  return *p;
}
inline long long clock64() { return 0; }  // no clock here: times of an emulated device mean nothing
inline int __float_as_int(float x) { return hk::from_bits<int>(hk::bits(x)); }
inline unsigned __float_as_uint(float x) { return hk::from_bits<unsigned>(hk::bits(x)); }
inline float __int_as_float(int x) { return hk::from_bits<float>(hk::bits(x)); }
inline float __uint_as_float(unsigned x) { return hk::from_bits<float>(hk::bits(x)); }
inline long long __double_as_longlong(double x) { return hk::from_bits<long long>(hk::bits(x)); }
inline double __longlong_as_double(long long x) { return hk::from_bits<double>(hk::bits(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline float rsqrt(float x) { return 1.f / sqrtf(x); }
inline double rsqrt(double x) { return 1. / sqrt(x); }
inline double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
inline double sinpi(double x) { return sin(x * M_PI); }
inline double cospi(double x) { return cos(x * M_PI); }
template <class A, class B>
inline std::common_type_t<A, B> min(A a, B b) {
  return std::min<std::common_type_t<A, B>>(a, b);
}
template <class A, class B>
inline std::common_type_t<A, B> max(A a, B b) {
  return std::max<std::common_type_t<A, B>>(a, b);
}
using std::abs;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;

// ---- the headers of CuPy's own kernels, from the installed wheel

#ifdef HK_HEADERS
#include <cupy/complex.cuh>

#include <cupy/carray.cuh>

#include <cupy/atomics.cuh>
#include <cupy/math_constants.h>
#endif

// ---- last, because the headers above must take g++ for a host compiler

#undef __shared__
#undef __global__
#undef __device__
#undef __constant__
#undef __host__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#undef __align__
#undef __restrict__
#define __shared__ static thread_local
#define __global__ __attribute__((visibility("default"), noinline))
#define __device__
#define __constant__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __CUDACC__ 1
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define __CUDA_ARCH__ 900
