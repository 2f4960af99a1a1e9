// A CUDA thread is a fiber: its stack, its faults, and where it waits for the other threads.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "block.h"

__attribute__((visibility("default"))) hk_thread* hk_self = nullptr;
__attribute__((visibility("default"))) hk_block* hk_this_block = nullptr;

// hk_switch(&from, to): saves the registers that a call preserves, and goes on where `to` was saved.
extern "C" void hk_switch(void** from, void* to);
// Its second half: goes on where the stack pointer says. By a jump: the processor would mispredict a `ret`.
extern "C" void hk_resume();
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
  popq %rcx
  jmp *%rcx
)");

namespace hk {

Running running;

namespace {

constexpr size_t STACK = 260 << 10;  // no power of two, and tops not at the same place of a page: see stack_top()
constexpr int SAVED_REGISTERS = 6;

void* scheduler;  // its saved stack pointer

// Tops whose addresses had the same low bits would share a few lines of the processor's caches.
char* stack_top(int i) {
  static char* stacks = (char*)mmap(nullptr, STACK * THREADS_PER_BLOCK, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return stacks + STACK * (i + 1) - 64 - i % 16 * 256;
}

void go_back_to_scheduler(hk_state state) {
  hk_self->state = state;
  hk_switch(&hk_self->stack_pointer, scheduler);
}

void fiber_main() {
  running.launch->kernel->code->call(running.arguments);
  go_back_to_scheduler(HK_DONE);
  __builtin_trap();
}

// The device's first access to an allocation opens it. Any other fault inside a kernel becomes an error of the device;
// outside, the handler that was there before takes it.
struct sigaction earlier_handler[NSIG];

void on_fault(int signal, siginfo_t* info, void* context) {
  if (signal == SIGSEGV && open_for_device(info->si_addr)) return;
  if (running.active && hk_self) {
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

// ---- warps

unsigned lanes_of_warp(unsigned first_rank) {
  size_t lanes = running.block->threads.size() - first_rank;
  return lanes < WARP ? (1u << lanes) - 1 : ~0u;
}

// Waits until all lanes of `mask` have come here, then `out` of the warp holds what each brought.
Warp& meet(unsigned mask, uint64_t value) {
  unsigned lane = hk_self->rank % WARP, first_rank = hk_self->rank - lane;
  Warp& warp = running.block->warps[hk_self->rank / WARP];
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
    running.block->threads[first_rank + i].state = HK_READY;
  }
  warp.arrived &= ~mask;
  return warp;
}

}  // namespace

void start_fiber(hk_thread& thread, int stack) {
  void** top = (void**)stack_top(stack);
  *--top = nullptr;  // where fiber_main would return to
  *--top = (void*)fiber_main;
  top -= SAVED_REGISTERS;
  memset(top, 0, SAVED_REGISTERS * sizeof *top);
  thread.stack_pointer = top;
}

void run_fiber(hk_thread& thread) {
  hk_self = &thread;
  hk_switch(&scheduler, thread.stack_pointer);
}

void fail(int code, const std::string& what) {
  if (running.error) return;
  char place[200];
  const hk_dim3 &b = running.block->index, &t = hk_self->index;
  snprintf(place, sizeof place, ", block (%u,%u,%u), thread (%u,%u,%u)", b.x, b.y, b.z, t.x, t.y, t.z);
  running.error = code;
  running.error_text = what + " in kernel " + running.launch->kernel->name + place;
}

}  // namespace hk

using namespace hk;

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
