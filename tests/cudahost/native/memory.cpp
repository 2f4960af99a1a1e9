// Device memory and copies. Every allocation begins as NaN, ends at a guard page and is out of the host's reach: it is
// opened by the fault of the device's first access to it, and closed when the device's work is done.
#include <pthread.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "device.h"

namespace hk {
namespace {

constexpr size_t PAGE = 4096, ALIGNMENT = 256;
constexpr size_t ADDRESSES = 16 * MEMORY;  // freed addresses are not used again until all of these were
constexpr int POISON = 0xff;               // NaN in every float format, -1 in integers

struct Allocation {
  size_t bytes, charged;
  char* pages;
  size_t length;  // of the pages, the guard page left out
  bool open = false;
};

char *arena, *unused;
size_t bytes_in_use;
std::map<char*, Allocation> allocations;  // live ones, by address
std::multimap<size_t, char*> freed;       // pages by their length
std::map<char*, size_t> pinned;           // page-locked host memory
int device_works;
pthread_t device_thread;         // that does the device's work
std::vector<Allocation*> opened;  // since that began

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

void protect(const Allocation& allocation, int access) { mprotect(allocation.pages, allocation.length, access); }

bool in_arena(const void* p) { return arena && (char*)p >= arena && (char*)p < arena + ADDRESSES; }

// The entry of `map` with the highest address not above `p`, or null.
template <class Map>
auto* below(Map& map, const void* p) {
  auto next = map.upper_bound((char*)p);
  return next == map.begin() ? nullptr : &*std::prev(next);
}

bool is_pinned(const void* p) {
  auto* found = below(pinned, p);
  return found && (char*)p < found->first + found->second;
}

void make_arena() {
  if (arena) return;
  arena = (char*)mmap(nullptr, ADDRESSES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  unused = arena + PAGE;
}

// Pages for `length` bytes and a guard page behind them; the oldest freed ones once all addresses were used.
char* take_pages(size_t length) {
  if (unused + length + PAGE <= arena + ADDRESSES) {
    char* pages = unused;
    unused += length + PAGE;
    return pages;
  }
  auto old = freed.find(length);
  if (old == freed.end()) return nullptr;
  char* pages = old->second;
  freed.erase(old);
  return pages;
}

cudaError_t allocate(void** out, size_t bytes) {
  make_arena();
  size_t charged = round_up(bytes, ALIGNMENT), length = round_up(charged, PAGE);
  char* pages = bytes_in_use + charged > MEMORY ? nullptr : take_pages(length);
  if (!pages) return remember(cudaErrorMemoryAllocation);
  Allocation made{bytes, charged, pages, length};
  if (length > 4 << 20) madvise(pages, length, MADV_HUGEPAGE);  // keeps mprotect() cheap
  protect(made, PROT_READ | PROT_WRITE);
  memset(pages, POISON, length);
  protect(made, PROT_NONE);
  char* address = pages + length - charged;  // its end touches the guard page
  allocations[address] = made;
  bytes_in_use += charged;
  ++counters[MALLOC];
  *out = address;
  return cudaSuccess;
}

cudaError_t release(void* p) {
  auto found = allocations.find((char*)p);
  if (found == allocations.end()) return remember(cudaErrorInvalidValue);
  const Allocation& old = found->second;
  protect(old, PROT_NONE);
  madvise(old.pages, old.length, MADV_DONTNEED);
  bytes_in_use -= old.charged;
  freed.insert({old.length, old.pages});
  allocations.erase(found);
  ++counters[FREE];
  return cudaSuccess;
}

Counter direction(bool to_device, bool from_device) { return !to_device ? D2H : from_device ? D2D : H2D; }

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, void* stream, bool async) {
  if (sticky_error) return remember(sticky_error);
  if (!bytes) return cudaSuccess;
  bool to_device = is_device(to, bytes), from_device = is_device(from, bytes);
  if ((!to_device && in_arena(to)) || (!from_device && in_arena(from))) {
    complain("a copy leaves its allocation, or uses freed memory");
    return remember(cudaErrorInvalidValue);
  }
  bool says_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool says_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (says_to != to_device || says_from != from_device)) {
    complain("the kind of a copy does not fit its pointers");
    return remember(cudaErrorInvalidValue);
  }
  bool capturing = is_capturing(stream);
  bool to_pageable = !to_device && !is_pinned(to), from_pageable = !from_device && !is_pinned(from);
  bool waits = !(to_device && from_device) && (!async || to_pageable) && !(capturing && async);
  if (waits) ++counters[SYNC_MEMCPY];
  std::shared_ptr<std::vector<char>> staged;  // pageable memory is read before the call returns, pinned when it runs
  if (from_pageable && !capturing)
    staged = std::make_shared<std::vector<char>>((const char*)from, (const char*)from + bytes);
  auto run = [=] { memmove(to, staged ? staged->data() : from, bytes); };
  return enqueue(stream, {direction(to_device, from_device), "memcpy", run, waits});
}

}  // namespace

DeviceWork::DeviceWork() {
  if (device_works++) return;
  hk_install_handlers();
  device_thread = pthread_self();
}

DeviceWork::~DeviceWork() {
  if (--device_works) return;
  for (auto* allocation : opened) {
    protect(*allocation, PROT_NONE);
    allocation->open = false;
  }
  opened.clear();
}

bool open_for_device(const void* p) {
  if (!device_works || !pthread_equal(device_thread, pthread_self())) return false;
  auto* found = below(allocations, p);
  if (!found || (char*)p >= found->first + found->second.charged || found->second.open) return false;
  found->second.open = true;
  protect(found->second, PROT_READ | PROT_WRITE);
  opened.push_back(&found->second);
  return true;
}

bool is_device(const void* p, size_t bytes) {
  auto* found = below(allocations, p);
  return found && (char*)p + bytes <= found->first + found->second.bytes;
}

std::string describe(const void* p) {
  char text[200];
  auto* found = below(allocations, p);
  if (!in_arena(p))
    snprintf(text, sizeof text, "%p, not device memory", p);
  else if (!found)
    snprintf(text, sizeof text, "%p, no live device allocation below it", p);
  else
    snprintf(text, sizeof text, "%p, %zd bytes from the start of a device allocation of %zu bytes", p,
             (char*)p - found->first, found->second.bytes);
  return text;
}

}  // namespace hk

using namespace hk;

EXPORT cudaError_t cudaMalloc(void** p, size_t bytes) {
  ENTER;
  *p = nullptr;
  if (int error = forbidden_in_capture("cudaMalloc")) return remember(error);
  return bytes ? allocate(p, bytes) : cudaSuccess;
}

EXPORT cudaError_t cudaFree(void* p) {
  ENTER;
  if (!p) return cudaSuccess;
  if (int error = forbidden_in_capture("cudaFree")) return remember(error);
  finish_everything();  // as the real one does
  return release(p);
}

EXPORT cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  LOCK;
  *total = MEMORY;
  *free_bytes = MEMORY - bytes_in_use;
  return cudaSuccess;
}

EXPORT cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  ENTER;
  if (int error = forbidden_in_capture("cudaHostAlloc")) return remember(error);
  size_t length = round_up(bytes ? bytes : 1, PAGE);
  *p = aligned_alloc(PAGE, length);
  if (!*p) return remember(cudaErrorMemoryAllocation);
  memset(*p, POISON, length);
  pinned[(char*)*p] = bytes;
  ++counters[PINNED_MALLOC];
  return cudaSuccess;
}

EXPORT cudaError_t cudaFreeHost(void* p) {
  ENTER;
  if (!p) return cudaSuccess;
  finish_everything();
  if (!pinned.erase((char*)p)) return remember(cudaErrorInvalidValue);
  free(p);
  return cudaSuccess;
}

EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* out, const void* p) {
  LOCK;
  *out = {};
  out->type = is_device(p, 0) ? cudaMemoryTypeDevice : is_pinned(p) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  out->devicePointer = out->type == cudaMemoryTypeUnregistered ? nullptr : (void*)p;
  out->hostPointer = out->type == cudaMemoryTypeDevice ? nullptr : (void*)p;
  out->device = out->type == cudaMemoryTypeUnregistered ? -2 : 0;
  return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  LOCK;
  if (int error = forbidden_in_capture("cudaMemcpy")) return remember(error);
  return copy(to, from, bytes, kind, nullptr, false);
}

EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  LOCK;
  return copy(to, from, bytes, kind, stream, true);
}

EXPORT cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  ENTER;
  if (!bytes) return cudaSuccess;
  if (!is_device(p, bytes)) return remember(cudaErrorInvalidValue);
  return enqueue(stream, {MEMSET, "memset", [=] { memset(p, value, bytes); }});
}

EXPORT cudaError_t cudaMemset(void* p, int value, size_t bytes) { return cudaMemsetAsync(p, value, bytes, nullptr); }
