// Runs kernels: the blocks of a launch one after the other, the threads of a block in turn.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "block.h"

namespace hk {
namespace {

enum { FORWARD, REVERSE, RANDOM };

int order = FORWARD;
unsigned order_seed = 1;

// The order in which n threads or blocks get to run.
std::vector<int> running_order(int n, unsigned salt) {
  std::vector<int> sequence(n);
  std::iota(sequence.begin(), sequence.end(), 0);
  if (order == REVERSE) std::reverse(sequence.begin(), sequence.end());
  if (order == RANDOM) std::shuffle(sequence.begin(), sequence.end(), std::mt19937(order_seed * 7919 + salt));
  return sequence;
}

// Lets each thread that can run do so once. Returns whether there was one. A thread that ends without ever waiting
// leaves its stack to the next, still in the processor's cache.
bool run_ready_threads(Block& block, const std::vector<int>& sequence) {
  bool any = false;
  for (int i : sequence) {
    hk_thread& thread = block.threads[i];
    if (thread.state != HK_READY) continue;
    bool begins = !thread.stack_pointer;
    if (begins) start_fiber(thread, block.waiting_stacks);
    run_fiber(thread);
    if (running.error) return false;
    if (thread.state == HK_DONE)
      block.alive--;
    else if (begins)
      block.waiting_stacks++;
    any = true;
  }
  return any;
}

// All threads wait: lets them pass the barrier where that is what they wait for.
void release_barrier(Block& block) {
  size_t waiting = 0;
  block.any = block.count = 0;
  block.all = 1;
  hk_self = nullptr;
  for (auto& thread : block.threads) {
    if (thread.state == HK_DONE) continue;
    if (!hk_self) hk_self = &thread;
    if (thread.state != HK_AT_BARRIER) continue;
    waiting++;
    block.any |= thread.predicate != 0;
    block.all &= thread.predicate != 0;
    block.count += thread.predicate != 0;
  }
  if (waiting < block.alive)
    return fail(cudaErrorIllegalInstruction, "a warp operation or barrier that not all of its threads reach");
  if (block.alive < block.threads.size())
    return fail(cudaErrorIllegalInstruction, "__syncthreads() that some threads of the block left before");
  for (auto& thread : block.threads) thread.state = HK_READY;
}

void run_block(Block& block, const std::vector<int>& sequence) {
  running.block = &block;
  hk_this_block = &block;
  while (block.alive && !running.error)
    if (!run_ready_threads(block, sequence) && !running.error) release_barrier(block);
}

// A block at its beginning; fresh shared memory is NaN.
void reset(Block& block, const Launch& launch, unsigned i, char* shared) {
  const hk_dim3 &size = launch.block, &grid = launch.grid;
  block.index = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
  block.size = size;
  block.grid = grid;
  block.alive = size.x * size.y * size.z;
  block.waiting_stacks = 0;
  block.threads.resize(block.alive);
  block.warps.assign((block.alive + WARP - 1) / WARP, Warp());
  block.dynamic.assign(launch.dynamic_shared + 64, (char)0xff);
  block.dynamic_shared = (void*)(((uintptr_t)block.dynamic.data() + 63) / 64 * 64);
  memset(shared, 0xff, launch.kernel->module->thread_local_bytes);
  for (unsigned rank = 0; rank < block.alive; rank++) {
    hk_dim3 index = {rank % size.x, rank / size.x % size.y, rank / size.x / size.y};
    block.threads[rank] = {index, rank, HK_READY, 0, nullptr};
  }
}

}  // namespace

EXPORT void hk_set_order(int new_order, unsigned seed) {
  LOCK;
  order = new_order;
  order_seed = seed;
}

void run_kernel(const Launch& launch) {
  static unsigned launches = 0;
  static Block block;
  std::vector<void*> arguments;
  for (auto& argument : launch.arguments) arguments.push_back((void*)argument.data());
  char* shared = launch.kernel->module->marker() - launch.kernel->module->before_marker;
  auto threads = running_order(launch.block.x * launch.block.y * launch.block.z, ++launches);
  running = {&launch, &block, arguments.data(), true, cudaSuccess, ""};
  for (int i : running_order(launch.grid.x * launch.grid.y * launch.grid.z, launches + 1000003)) {
    reset(block, launch, i, shared);
    run_block(block, threads);
    if (running.error) break;
  }
  running.active = false;
  hk_self = nullptr;
  if (!running.error) return;
  complain(running.error_text);
  if (!sticky_error) sticky_error = running.error;
}

}  // namespace hk
