// What the emulated device (libcudahost.so) and a compiled kernel know of each other.
#pragma once
#include <cstddef>
#include <cstdint>

struct hk_dim3 {
  unsigned x, y, z;
};

// One per kernel, emitted by HK_KERNEL in kernel.h.
struct hk_kernel {
  void (*call)(void** arguments);
  int count;            // of arguments
  const size_t* sizes;  // of each, in bytes
};

enum hk_state { HK_READY, HK_AT_BARRIER, HK_AT_WARP, HK_DONE };

// A CUDA thread: a fiber with a stack of its own.
struct hk_thread {
  hk_dim3 index;
  unsigned rank;  // in its block
  hk_state state;
  int predicate;        // argument of __syncthreads_or, _and, _count
  void* stack_pointer;  // null until it has started
};

// The block that runs now.
struct hk_block {
  hk_dim3 index, size, grid;
  void* dynamic_shared;
  int any, all, count;  // results of the last barrier
};

extern "C" {
extern hk_thread* hk_self;
extern hk_block* hk_this_block;
void hk_barrier(int predicate);
// All lanes of `mask` hand in a value; each gets that of lane `source`.
uint64_t hk_warp_exchange(unsigned mask, uint64_t value, unsigned source);
unsigned hk_warp_ballot(unsigned mask, int predicate);
void hk_trap(const char* what);
}
