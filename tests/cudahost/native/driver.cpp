// The CUDA driver API: modules and launches. A "cubin" is a shared object that nvrtc.cpp made.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "device.h"

using namespace hk;
#define DRIVER EXPORT CUresult
#undef cuDevicePrimaryCtxRelease

namespace {

constexpr size_t LARGEST_ARGUMENTS = 4096;
CUcontext const THE_CONTEXT = (CUcontext)64;

CUresult refuse(const std::string& why) {
  complain(why);
  return CUDA_ERROR_INVALID_VALUE;
}

bool fits(const hk_dim3& grid, const hk_dim3& block) {
  auto within = [](unsigned n, unsigned most) { return n >= 1 && n <= most; };
  return within(grid.x, 0x7fffffff) && within(grid.y, 65535) && within(grid.z, 65535) && within(block.x, 1024) &&
         within(block.y, 1024) && within(block.z, 64) && block.x * block.y * block.z <= THREADS_PER_BLOCK;
}

std::string write_temporary(const char* bytes, size_t n) {
  const char* folder = getenv("TMPDIR");
  std::string path = std::string(folder && *folder ? folder : P_tmpdir) + "/cudahost-module-XXXXXX";
  int file = mkstemp(path.data());
  if (file < 0) return "";
  bool whole = write(file, bytes, n) == (ssize_t)n;
  close(file);
  if (whole) return path;
  unlink(path.c_str());
  return "";
}

struct LibraryQuery {
  const void* inside;
  char* begin;
  size_t bytes;
};

int examine_library(dl_phdr_info* info, size_t, void* query_) {
  auto* query = (LibraryQuery*)query_;
  bool holds = false;
  size_t bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    auto& segment = info->dlpi_phdr[i];
    char* begin = (char*)info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_TLS) bytes = segment.p_memsz;
    if (segment.p_type == PT_LOAD && query->inside >= begin && query->inside < begin + segment.p_memsz) holds = true;
  }
  if (!holds) return 0;
  query->begin = (char*)info->dlpi_tls_data;
  query->bytes = bytes;
  return 1;
}

// A loaded module, once its marker shows where its thread-local variables are.
Module* examined(void* library, char* (*marker)()) {
  char* here = marker();  // makes this OS thread's copy
  LibraryQuery query{(void*)marker, here, MARKER};
  dl_iterate_phdr(examine_library, &query);
  return new Module{library, marker, size_t(here - query.begin), query.bytes};
}

}  // namespace

DRIVER cuInit(unsigned) { return CUDA_SUCCESS; }

DRIVER cuDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

DRIVER cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_NOT_FOUND       ? "CUDA_ERROR_NOT_FOUND"
          : error == CUDA_ERROR_INVALID_IMAGE ? "CUDA_ERROR_INVALID_IMAGE"
          : error == CUDA_ERROR_INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE"
                                              : cudaGetErrorName((cudaError_t)error);
  return CUDA_SUCCESS;
}

DRIVER cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_NOT_FOUND       ? "named symbol not found"
          : error == CUDA_ERROR_INVALID_IMAGE ? "device kernel image is invalid"
                                              : cudaGetErrorString((cudaError_t)error);
  return CUDA_SUCCESS;
}

DRIVER cuCtxGetCurrent(CUcontext* context) {
  *context = THE_CONTEXT;
  return CUDA_SUCCESS;
}

DRIVER cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

DRIVER cuCtxGetDevice(CUdevice* device) {
  *device = current_device;
  return CUDA_SUCCESS;
}

DRIVER cuStreamGetCtx(CUstream, CUcontext* context) { return cuCtxGetCurrent(context); }

DRIVER cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }

// ---- modules

DRIVER cuModuleLoad(CUmodule* out, const char* path) {
  LOCK;
  if (sticky_error) return (CUresult)sticky_error;
  if (int error = forbidden_in_capture("loading a kernel (launch it once before the capture)")) return (CUresult)error;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    complain(dlerror());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  auto marker = (char* (*)())dlsym(library, "hk_shared_memory");
  if (!marker) return CUDA_ERROR_INVALID_IMAGE;
  ++counters[MODULES];
  *out = (CUmodule)examined(library, marker);
  return CUDA_SUCCESS;
}

DRIVER cuModuleLoadData(CUmodule* out, const void* image) {
  auto* header = (const Elf64_Ehdr*)image;
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_machine != EM_X86_64) {
    complain("a module that was not compiled for the emulated device");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
  std::string path = write_temporary((const char*)image, bytes);  // a new name: dlopen() goes by names
  if (path.empty()) return CUDA_ERROR_UNKNOWN;
  CUresult result = cuModuleLoad(out, path.c_str());
  unlink(path.c_str());
  return result;
}

DRIVER cuModuleUnload(CUmodule) {
  LOCK;
  finish_everything();
  return CUDA_SUCCESS;  // stays loaded: graphs may use it
}

DRIVER cuModuleGetFunction(CUfunction* out, CUmodule module_, const char* name) {
  LOCK;
  auto* module = (Module*)module_;
  auto* code = (const hk_kernel*)dlsym(module->library, (std::string("hk_kernel_") + name).c_str());
  if (!code) return CUDA_ERROR_NOT_FOUND;
  *out = (CUfunction) new Kernel{name, module, code};
  return CUDA_SUCCESS;
}

// ---- kernels

DRIVER cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  auto* kernel = (Kernel*)function;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = THREADS_PER_BLOCK; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = kernel->module->shared_bytes(); break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = kernel->max_dynamic_shared; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = 90; break;
    default: *value = 0;
  }
  return CUDA_SUCCESS;
}

DRIVER cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  auto* kernel = (Kernel*)function;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
  if (value + kernel->module->shared_bytes() > SHARED_PER_BLOCK_OPTIN)
    return refuse("more shared memory asked for than a block can have");
  kernel->max_dynamic_shared = value;
  return CUDA_SUCCESS;
}

DRIVER cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int threads, size_t dynamic) {
  if (threads < 1 || threads > THREADS_PER_BLOCK) return CUDA_ERROR_INVALID_VALUE;
  int by_threads = THREADS_PER_MULTIPROCESSOR / ((threads + 31) / 32 * 32);
  int by_shared = SHARED_PER_MULTIPROCESSOR / (dynamic + ((Kernel*)function)->module->shared_bytes() + 1024);
  *blocks = std::min({by_threads, by_shared, 32});
  return CUDA_SUCCESS;
}

DRIVER cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                      unsigned block_y, unsigned block_z, unsigned dynamic_shared, CUstream stream, void** arguments,
                      void** extra) {
  LOCK;
  if (sticky_error) return (CUresult)sticky_error;
  if (extra) return CUDA_ERROR_NOT_SUPPORTED;
  auto* kernel = (Kernel*)function;
  Launch launch{kernel, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_shared, {}};
  if (!fits(launch.grid, launch.block)) return refuse("kernel " + kernel->name + ": grid or block too large, or empty");
  if (dynamic_shared > kernel->max_dynamic_shared)
    return refuse("kernel " + kernel->name + ": more dynamic shared memory than its attribute allows");
  if (kernel->module->device != current_device) return refuse("kernel " + kernel->name + ": of another device");
  size_t total = 0;
  for (int i = 0; i < kernel->code->count; i++) {
    auto* bytes = (const char*)arguments[i];
    launch.arguments.emplace_back(bytes, bytes + kernel->code->sizes[i]);
    total += kernel->code->sizes[i];
  }
  if (total > LARGEST_ARGUMENTS) return refuse("kernel " + kernel->name + ": more than 4096 bytes of arguments");
  return (CUresult)enqueue(stream, {KERNELS, kernel->name, [launch] { run_kernel(launch); }});
}
