// What the parts of the emulated device know of each other.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "hk.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace hk {

// One lock for everything: the device does one thing at a time.
extern std::recursive_mutex mutex;
#define LOCK std::lock_guard<std::recursive_mutex> guard(hk::mutex)

// In the order of COUNTERS in __init__.py.
enum Counter {
  KERNELS,
  GRAPH_KERNELS,
  GRAPH_LAUNCHES,
  H2D,
  D2H,
  D2D,
  MEMSET,
  SYNC,
  SYNC_MEMCPY,
  QUERY,
  MALLOC,
  FREE,
  PINNED_MALLOC,
  COMPILES,
  BLAS,
  MODULES,
  COUNTERS
};
extern std::atomic<long> counters[COUNTERS];

// ---- errors (runtime.cpp)
extern int devices;                // how many there are; they share everything but modules, handles and arrays
extern thread_local int current_device;
extern int sticky_error;                       // of a faulty kernel: every later call returns it
cudaError_t remember(int error);               // for cudaGetLastError; returns it
void complain(const std::string& what);        // one line on stderr
const std::string& setting(const char* name);  // what __init__.py configured

// Begins an API function: takes the lock, returns the sticky error if there is one.
#define ENTER \
  LOCK;       \
  if (hk::sticky_error) return hk::remember(hk::sticky_error)

// ---- memory (memory.cpp)
bool is_device(const void* pointer, size_t bytes);  // wholly inside one live allocation
std::string describe(const void* pointer);
// Device memory is readable and writable only while one of these exists, and by its thread.
struct DeviceWork {
  DeviceWork();
  ~DeviceWork();
};
// After a fault at `p`: whether the device may access it, and can do so from now on.
bool open_for_device(const void* p);
constexpr size_t MEMORY = size_t(4) << 30;

// ---- streams and captures (stream.cpp)
struct Task {
  Counter kind;  // KERNELS, GRAPH_LAUNCHES, H2D, D2H, D2D or MEMSET
  std::string name;
  std::function<void()> run;
  bool host_waits = false;
};
cudaError_t enqueue(void* stream, Task task);
bool is_capturing(void* stream);
int forbidden_in_capture(const char* call);  // an error, or 0 where no capture forbids it
void finish_everything();
void abandon_captures();

// A captured sequence of work.
struct Graph {
  std::vector<Task> tasks;
};

// ---- kernels (kernel.cpp)
constexpr size_t MARKER = 16;  // bytes of thread-local memory that every module has, see kernel.h
struct Module {
  void* library;
  char* (*marker)();  // in the calling OS thread's copy of the thread-local variables, which are the __shared__ ones
  size_t before_marker, thread_local_bytes;
  int device = current_device;
  size_t shared_bytes() const { return thread_local_bytes - MARKER; }
};
struct Kernel {
  std::string name;
  Module* module;
  const hk_kernel* code;
  size_t max_dynamic_shared = 48 << 10;
};
struct Launch {
  Kernel* kernel;
  hk_dim3 grid, block;
  size_t dynamic_shared;
  std::vector<std::vector<char>> arguments;
};
void run_kernel(const Launch& launch);

// ---- the made-up device: an sm_90 with few multiprocessors
constexpr int MULTIPROCESSORS = 16, THREADS_PER_BLOCK = 1024, THREADS_PER_MULTIPROCESSOR = 2048;
constexpr size_t SHARED_PER_BLOCK = 48 << 10, SHARED_PER_BLOCK_OPTIN = 227 << 10, SHARED_PER_MULTIPROCESSOR = 228 << 10;

}  // namespace hk

EXPORT void hk_install_handlers();
