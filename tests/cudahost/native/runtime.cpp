// The CUDA runtime's errors and device properties, and what __init__.py calls.
#include <cstdio>
#include <cstring>
#include <map>

#include "device.h"

namespace hk {

std::recursive_mutex mutex;
std::atomic<long> counters[COUNTERS];
int sticky_error;
int devices = 1;
thread_local int current_device;

namespace {

thread_local int last_error;
std::map<std::string, std::string> settings;

const std::map<int, std::pair<const char*, const char*>> ERRORS = {
    {cudaSuccess, {"cudaSuccess", "no error"}},
    {cudaErrorInvalidValue, {"cudaErrorInvalidValue", "invalid argument"}},
    {cudaErrorMemoryAllocation, {"cudaErrorMemoryAllocation", "out of memory"}},
    {cudaErrorInvalidDevice, {"cudaErrorInvalidDevice", "invalid device ordinal"}},
    {cudaErrorInvalidResourceHandle, {"cudaErrorInvalidResourceHandle", "invalid resource handle"}},
    {cudaErrorIllegalState, {"cudaErrorIllegalState", "not permitted in the present state"}},
    {cudaErrorNotReady, {"cudaErrorNotReady", "device not ready"}},
    {cudaErrorIllegalAddress, {"cudaErrorIllegalAddress", "an illegal memory access was encountered"}},
    {cudaErrorAssert, {"cudaErrorAssert", "device-side assert triggered"}},
    {cudaErrorIllegalInstruction,
     {"cudaErrorIllegalInstruction", "a barrier or warp operation that not all threads reach"}},
    {cudaErrorLaunchFailure, {"cudaErrorLaunchFailure", "unspecified launch failure"}},
    {cudaErrorNotSupported, {"cudaErrorNotSupported", "not emulated"}},
    {cudaErrorStreamCaptureUnsupported,
     {"cudaErrorStreamCaptureUnsupported", "not permitted while a stream is capturing"}},
    {cudaErrorStreamCaptureInvalidated, {"cudaErrorStreamCaptureInvalidated", "an earlier error broke the capture"}},
    {cudaErrorStreamCaptureUnmatched, {"cudaErrorStreamCaptureUnmatched", "the capture began in another stream"}},
    {cudaErrorStreamCaptureUnjoined, {"cudaErrorStreamCaptureUnjoined", "the capture has work that was not joined"}},
    {cudaErrorStreamCaptureIsolation,
     {"cudaErrorStreamCaptureIsolation", "the capture would depend on work outside it"}},
    {cudaErrorStreamCaptureImplicit,
     {"cudaErrorStreamCaptureImplicit", "the default stream would depend on a capturing stream"}},
    {cudaErrorCapturedEvent, {"cudaErrorCapturedEvent", "the event was recorded in a capturing stream"}},
};

}  // namespace

cudaError_t remember(int error) {
  if (error) last_error = error;
  return (cudaError_t)error;
}

void complain(const std::string& what) { fprintf(stderr, "cudahost: %s\n", what.c_str()); }

const std::string& setting(const char* name) { return settings[name]; }

}  // namespace hk

using namespace hk;

// ---- for __init__.py

EXPORT void hk_configure(const char* name, const char* value) { settings[name] = value; }

EXPORT long hk_counter(int i) { return counters[i]; }

EXPORT void hk_counters_reset() {
  for (auto& counter : counters) counter = 0;
}

EXPORT void hk_set_devices(int count) { devices = count; }

EXPORT void hk_clear_error() {
  LOCK;
  sticky_error = last_error = 0;
  abandon_captures();
}

EXPORT int hk_unimplemented(const char* function) {
  complain(std::string(function) + " is not emulated");
  return remember(cudaErrorNotSupported);
}

// ---- errors

EXPORT cudaError_t cudaPeekAtLastError() { return (cudaError_t)(sticky_error ? sticky_error : last_error); }

EXPORT cudaError_t cudaGetLastError() {
  cudaError_t error = cudaPeekAtLastError();
  last_error = 0;
  return error;
}

EXPORT const char* cudaGetErrorName(cudaError_t error) {
  auto found = ERRORS.find(error);
  return found == ERRORS.end() ? "cudaErrorUnknown" : found->second.first;
}

EXPORT const char* cudaGetErrorString(cudaError_t error) {
  auto found = ERRORS.find(error);
  return found == ERRORS.end() ? "an error of the emulated device" : found->second.second;
}

// ---- the device

EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

EXPORT cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

EXPORT cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceCount(int* count) {
  *count = devices;
  return cudaSuccess;
}

EXPORT cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= devices) return remember(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int) {
  snprintf(text, length, "0000:00:00.0");
  return cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* out, int device) {
  if (device >= devices) return remember(cudaErrorInvalidDevice);
  *out = {};
  strcpy(out->name, "emulated sm_90 on the CPU");
  out->major = 9;
  out->totalGlobalMem = MEMORY;
  out->totalConstMem = 64 << 10;
  out->l2CacheSize = 50 << 20;
  out->warpSize = 32;
  out->multiProcessorCount = MULTIPROCESSORS;
  out->regsPerBlock = out->regsPerMultiprocessor = 64 << 10;
  out->sharedMemPerBlock = SHARED_PER_BLOCK;
  out->sharedMemPerBlockOptin = SHARED_PER_BLOCK_OPTIN;
  out->sharedMemPerMultiprocessor = SHARED_PER_MULTIPROCESSOR;
  out->maxThreadsPerBlock = THREADS_PER_BLOCK;
  out->maxThreadsPerMultiProcessor = THREADS_PER_MULTIPROCESSOR;
  out->maxBlocksPerMultiProcessor = 32;
  int threads[3] = {1024, 1024, 64}, blocks[3] = {0x7fffffff, 65535, 65535};
  memcpy(out->maxThreadsDim, threads, sizeof threads);
  memcpy(out->maxGridSize, blocks, sizeof blocks);
  out->asyncEngineCount = out->concurrentKernels = out->unifiedAddressing = 1;
  return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  static const std::map<int, int> known = {
      {cudaDevAttrComputeCapabilityMajor, 9},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMultiProcessorCount, MULTIPROCESSORS},
      {cudaDevAttrMaxThreadsPerBlock, THREADS_PER_BLOCK},
      {cudaDevAttrMaxBlockDimX, 1024},
      {cudaDevAttrMaxBlockDimY, 1024},
      {cudaDevAttrMaxBlockDimZ, 64},
      {cudaDevAttrMaxGridDimX, 0x7fffffff},
      {cudaDevAttrMaxGridDimY, 65535},
      {cudaDevAttrMaxGridDimZ, 65535},
      {cudaDevAttrMaxThreadsPerMultiProcessor, THREADS_PER_MULTIPROCESSOR},
      {cudaDevAttrMaxBlocksPerMultiprocessor, 32},
      {cudaDevAttrMaxRegistersPerBlock, 64 << 10},
      {cudaDevAttrMaxRegistersPerMultiprocessor, 64 << 10},
      {cudaDevAttrMaxSharedMemoryPerBlock, SHARED_PER_BLOCK},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, SHARED_PER_BLOCK_OPTIN},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, SHARED_PER_MULTIPROCESSOR},
      {cudaDevAttrUnifiedAddressing, 1},
      {cudaDevAttrAsyncEngineCount, 1},
      {cudaDevAttrConcurrentKernels, 1},
  };
  if (device >= devices) return remember(cudaErrorInvalidDevice);
  auto found = known.find(attribute);
  *value = found == known.end() ? 0 : found->second;
  return cudaSuccess;
}
