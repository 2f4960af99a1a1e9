// What thread.cpp and kernel.cpp share: the block that runs, and its launch.
#pragma once
#include "device.h"

namespace hk {

constexpr int WARP = 32;

struct Warp {
  unsigned arrived = 0;  // lanes, one bit each
  uint64_t in[WARP], out[WARP];
};

struct Block : hk_block {
  std::vector<hk_thread> threads;
  std::vector<Warp> warps;
  std::vector<char> dynamic;
  size_t alive;
  int waiting_stacks;  // how many stacks, from the first on, belong to threads that wait or have waited
};

// The launch that runs. Only one does at a time.
struct Running {
  const Launch* launch;
  Block* block;
  void** arguments;
  bool active;  // whether kernel code runs now
  int error;
  std::string error_text;
};
extern Running running;

// ---- thread.cpp
void start_fiber(hk_thread& thread, int stack);  // on that one of the stacks
void run_fiber(hk_thread& thread);              // until it waits or ends
void fail(int error, const std::string& what);  // ends the launch; adds where hk_self is

}  // namespace hk
