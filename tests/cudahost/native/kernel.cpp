// Runs kernels: every CUDA thread is a fiber, and the blocks of a launch run one after the other.
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>

#include "device.h"

__attribute__((visibility("default"))) hk_thread* hk_self = nullptr;
__attribute__((visibility("default"))) hk_block* hk_this_block = nullptr;

// hk_switch(&from, to): saves the registers that a call preserves, and goes on where `to` was saved.
extern "C" void hk_switch(void** from, void* to);
extern "C" void hk_resume();  // its second half: goes on where the stack pointer says
asm(R"(
.text
.globl hk_switch
.hidden hk_switch
hk_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
.globl hk_resume
.hidden hk_resume
hk_resume:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace hk {
namespace {

constexpr size_t STACK = 128 << 10;
constexpr int SAVED_REGISTERS = 6, WARP = 32;
enum { FORWARD, REVERSE, RANDOM };

struct Warp {
  unsigned arrived = 0;  // lanes, one bit each
  uint64_t in[WARP], out[WARP];
};

struct Block : hk_block {
  std::vector<hk_thread> threads;
  std::vector<Warp> warps;
  std::vector<char> dynamic;
  size_t alive;
};

const Launch* launched;
Block* running;
void* scheduler;  // its saved stack pointer
void** kernel_arguments;
int error;  // of this launch
std::string error_text;
volatile bool in_kernel;
int order = FORWARD;
unsigned order_seed = 1;

// ---- fibers

char* stack_top(int i) {
  static char* stacks = (char*)mmap(nullptr, STACK * THREADS_PER_BLOCK, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return stacks + STACK * (i + 1) - 64;
}

void go_back_to_scheduler(hk_state state) {
  hk_self->state = state;
  hk_switch(&hk_self->stack_pointer, scheduler);
}

void fiber_main() {
  launched->kernel->code->call(kernel_arguments);
  go_back_to_scheduler(HK_DONE);
  __builtin_trap();
}

void start_fiber(hk_thread& thread) {
  thread.stack = thread.rank;
  void** top = (void**)stack_top(thread.stack);
  *--top = nullptr;  // where fiber_main would return to
  *--top = (void*)fiber_main;
  top -= SAVED_REGISTERS;
  memset(top, 0, SAVED_REGISTERS * sizeof *top);
  thread.stack_pointer = top;
}

void fail(int code, const std::string& what) {
  if (error) return;
  char place[200];
  const hk_dim3 &b = running->index, &t = hk_self->index;
  snprintf(place, sizeof place, ", block (%u,%u,%u), thread (%u,%u,%u)", b.x, b.y, b.z, t.x, t.y, t.z);
  error = code;
  error_text = what + " in kernel " + launched->kernel->name + place;
}

// A fault inside a kernel becomes an error of the device; outside, the handler that was there before takes it.
struct sigaction earlier_handler[NSIG];

void on_fault(int signal, siginfo_t* info, void* context) {
  if (in_kernel && hk_self) {
    bool division = signal == SIGFPE;
    fail(cudaErrorIllegalAddress, division ? "integer division by zero" : "illegal address " + describe(info->si_addr));
    hk_self->state = HK_DONE;
    auto* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
    registers[REG_RSP] = (greg_t)scheduler;
    registers[REG_RIP] = (greg_t)hk_resume;
    return;
  }
  std::string where = describe(info->si_addr);
  if (signal != SIGFPE && where.find("not device") == std::string::npos)
    complain("the HOST touched device memory at " + where);
  sigaction(signal, &earlier_handler[signal], nullptr);
}

// ---- blocks

// The order in which n threads or blocks get to run.
std::vector<int> running_order(int n, unsigned salt) {
  std::vector<int> sequence(n);
  std::iota(sequence.begin(), sequence.end(), 0);
  if (order == REVERSE) std::reverse(sequence.begin(), sequence.end());
  if (order == RANDOM) std::shuffle(sequence.begin(), sequence.end(), std::mt19937(order_seed * 7919 + salt));
  return sequence;
}

// Lets each thread that can run do so once. Returns whether there was one.
bool run_ready_threads(Block& block, const std::vector<int>& sequence) {
  bool any = false;
  for (int i : sequence) {
    hk_thread& thread = block.threads[i];
    if (thread.state != HK_READY) continue;
    if (thread.stack == hk_thread::NOT_STARTED) start_fiber(thread);
    hk_self = &thread;
    hk_switch(&scheduler, thread.stack_pointer);
    if (error) return false;
    if (thread.state == HK_DONE) {
      thread.stack = hk_thread::ENDED;
      block.alive--;
    }
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
  running = &block;
  hk_this_block = &block;
  while (block.alive && !error)
    if (!run_ready_threads(block, sequence) && !error) release_barrier(block);
}

// A block at its beginning; fresh shared memory is NaN.
void reset(Block& block, const Launch& launch, unsigned i, std::pair<void*, size_t> shared) {
  const hk_dim3 &size = launch.block, &grid = launch.grid;
  block.index = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
  block.size = size;
  block.grid = grid;
  block.alive = size.x * size.y * size.z;
  block.threads.resize(block.alive);
  block.warps.assign((block.alive + WARP - 1) / WARP, Warp());
  block.dynamic.assign(launch.dynamic_shared + 64, (char)0xff);
  block.dynamic_shared = (void*)(((uintptr_t)block.dynamic.data() + 63) / 64 * 64);
  if (shared.first) memset(shared.first, 0xff, shared.second);
  for (unsigned rank = 0; rank < block.alive; rank++) {
    hk_dim3 index = {rank % size.x, rank / size.x % size.y, rank / size.x / size.y};
    block.threads[rank] = {index, rank, HK_READY, 0, nullptr, hk_thread::NOT_STARTED};
  }
}

// ---- warps

unsigned lanes_of_warp(unsigned first_rank) {
  size_t lanes = running->threads.size() - first_rank;
  return lanes < WARP ? (1u << lanes) - 1 : ~0u;
}

// Waits until all lanes of `mask` have come here, then `out` of the warp holds what each brought.
Warp& meet(unsigned mask, uint64_t value) {
  unsigned lane = hk_self->rank % WARP, first_rank = hk_self->rank - lane;
  Warp& warp = running->warps[hk_self->rank / WARP];
  mask &= lanes_of_warp(first_rank);
  if (!(mask >> lane & 1)) {
    fail(cudaErrorIllegalInstruction, "a warp operation by a thread outside its mask");
    go_back_to_scheduler(HK_DONE);
  }
  warp.in[lane] = value;
  warp.arrived |= 1u << lane;
  if ((warp.arrived & mask) != mask) {
    go_back_to_scheduler(HK_AT_WARP);
    return warp;
  }
  for (int i = 0; i < WARP; i++) {
    if (!(mask >> i & 1)) continue;
    warp.out[i] = warp.in[i];
    running->threads[first_rank + i].state = HK_READY;
  }
  warp.arrived &= ~mask;
  return warp;
}

struct LibraryQuery {
  const void* inside;
  std::pair<void*, size_t> found;
};

int examine_library(dl_phdr_info* info, size_t, void* query_) {
  auto* query = (LibraryQuery*)query_;
  bool holds = false;
  std::pair<void*, size_t> variables;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    auto& segment = info->dlpi_phdr[i];
    char* begin = (char*)info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_TLS) variables = {info->dlpi_tls_data, segment.p_memsz};
    if (segment.p_type == PT_LOAD && query->inside >= begin && query->inside < begin + segment.p_memsz) holds = true;
  }
  if (holds) query->found = variables;
  return holds;
}

}  // namespace

std::pair<void*, size_t> thread_local_block(const void* inside) {
  LibraryQuery query{inside, {}};
  dl_iterate_phdr(examine_library, &query);
  return query.found;
}

EXPORT void hk_install_handlers() {
  static thread_local void* signal_stack = nullptr;  // a fault may mean that the usual one is not usable
  if (!signal_stack) {
    signal_stack = malloc(64 << 10);
    stack_t alternative{signal_stack, 0, 64 << 10};
    sigaltstack(&alternative, nullptr);
  }
  struct sigaction ours{}, present;
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE}) {
    sigaction(signal, nullptr, &present);
    if (present.sa_sigaction == on_fault) continue;
    earlier_handler[signal] = present;
    sigaction(signal, &ours, nullptr);
  }
}

EXPORT void hk_set_order(int new_order, unsigned seed) {
  LOCK;
  order = new_order;
  order_seed = seed;
}

void run_kernel(const Launch& launch) {
  static unsigned launches = 0;
  static Block block;
  hk_install_handlers();
  std::vector<void*> arguments;
  for (auto& argument : launch.arguments) arguments.push_back((void*)argument.data());
  launched = &launch;
  kernel_arguments = arguments.data();
  launch.kernel->module->shared_memory();
  auto shared = thread_local_block(launch.kernel->code);
  auto threads = running_order(launch.block.x * launch.block.y * launch.block.z, ++launches);
  error = 0;
  in_kernel = true;
  for (int i : running_order(launch.grid.x * launch.grid.y * launch.grid.z, launches + 1000003)) {
    reset(block, launch, i, shared);
    run_block(block, threads);
    if (error) break;
  }
  in_kernel = false;
  hk_self = nullptr;
  if (!error) return;
  complain(error_text);
  if (!sticky_error) sticky_error = error;
}

}  // namespace hk

// ---- what kernels call

using namespace hk;

EXPORT void hk_barrier(int predicate) {
  hk_self->predicate = predicate;
  go_back_to_scheduler(HK_AT_BARRIER);
}

EXPORT uint64_t hk_warp_exchange(unsigned mask, uint64_t value, unsigned source) {
  return meet(mask, value).out[source % WARP];
}

EXPORT unsigned hk_warp_ballot(unsigned mask, int predicate) {
  Warp& warp = meet(mask, predicate != 0);
  mask &= lanes_of_warp(hk_self->rank / WARP * WARP);
  unsigned votes = 0;
  for (int i = 0; i < WARP; i++)
    if (mask >> i & 1 && warp.out[i]) votes |= 1u << i;
  return votes;
}

EXPORT void hk_trap(const char* what) {
  fail(what[0] == 'a' ? cudaErrorAssert : cudaErrorLaunchFailure, what);
  go_back_to_scheduler(HK_DONE);
}
