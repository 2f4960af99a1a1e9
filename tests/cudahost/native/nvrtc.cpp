// NVRTC: g++ compiles a kernel to a shared object. Where the real NVRTC is installed it compiles the same source at
// the same time, for the architecture that CuPy asks for (sm_90), and its errors come first.
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "device.h"
#include "source.h"

using namespace hk;
namespace fs = std::filesystem;

namespace {

enum { SUCCESS = 0, OUT_OF_MEMORY = 1, INVALID_OPTION = 5, COMPILATION = 6, INTERNAL = 11 };

struct Program {
  std::string source, name, log, binary;
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

pid_t start(const std::vector<std::string>& command, const fs::path& log) {
  std::vector<char*> arguments;
  for (auto& word : command) arguments.push_back((char*)word.c_str());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t process = -1;
  int error = posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error ? -1 : process;
}

bool succeeds(pid_t process) {
  int status = -1;
  return process > 0 && waitpid(process, &status, 0) == process && status == 0;
}

// g++ under limits that keep a compiler gone wild from taking the machine down.
std::vector<std::string> host_command(const fs::path& folder, const std::vector<std::string>& options, bool includes) {
  std::vector<std::string> command{"/bin/sh", "-c", "ulimit -v 6000000 -t 300; exec \"$@\"", "sh"};
  std::string shim = setting("shims") + (includes ? "/headers.h" : "/plain.h");
  command.insert(command.end(), {setting("compiler"), "-x", "c++", "-include", shim});
  std::istringstream flags(setting("flags"));
  for (std::string flag; flags >> flag;) command.push_back(flag);
  for (size_t i = 0; i < options.size(); i++) {
    std::string start = options[i].substr(0, 2);
    if (start != "-I" && start != "-D" && start != "-U") continue;
    command.push_back(options[i]);
    if (options[i].size() == 2 && i + 1 < options.size()) command.push_back(options[++i]);
  }
  command.insert(command.end(), {"-shared", folder / "kernel.cpp", "-o", folder / "kernel.so"});
  return command;
}

// Compiles in `folder`; sets log and binary. Returns whether all compilers took the source.
bool compile(Program& program, const fs::path& folder, const std::vector<std::string>& options) {
  std::ofstream(folder / "kernel.cpp") << for_the_host(program.source, program.name);
  std::ofstream(folder / "kernel.cu") << program.source;
  bool check = !setting("nvrtc").empty();
  pid_t checking = -1;
  if (check) {
    std::vector<std::string> command{setting("nvrtc_check"), setting("nvrtc"), folder / "kernel.cu", program.name,
                                     folder / "nvrtc.log"};
    command.insert(command.end(), options.begin(), options.end());
    checking = start(command, folder / "check.log");
  }
  bool includes = program.source.find("#include") != std::string::npos;
  bool host_takes_it = succeeds(start(host_command(folder, options, includes), folder / "host.log"));
  bool nvrtc_takes_it = !check || succeeds(checking);
  program.binary = read(folder / "kernel.so") + std::string(16, '\0');  // CuPy cuts the last byte off
  if (!nvrtc_takes_it)
    program.log = read(folder / "nvrtc.log") + read(folder / "check.log");
  else if (!host_takes_it)
    program.log = (check ? "NVRTC takes this source, g++ does not:\n" : "g++ says:\n") + read(folder / "host.log");
  return host_takes_it && nvrtc_takes_it;
}

}  // namespace

#define NVRTC(result) EXPORT result

NVRTC(const char*) nvrtcGetErrorString(int error) {
  switch (error) {
    case SUCCESS: return "NVRTC_SUCCESS";
    case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case COMPILATION: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR_INTERNAL_ERROR";
  }
}

NVRTC(int) nvrtcVersion(int* major, int* minor) {
  *major = CUDA_VERSION / 1000;
  *minor = CUDA_VERSION % 1000 / 10;
  return SUCCESS;
}

NVRTC(int) nvrtcGetNumSupportedArchs(int* count) {
  *count = 1;
  return SUCCESS;
}

NVRTC(int) nvrtcGetSupportedArchs(int* architectures) {
  *architectures = 90;
  return SUCCESS;
}

NVRTC(int)
nvrtcCreateProgram(void** out, const char* source, const char* name, int headers, const char**, const char**) {
  if (headers) {
    complain("nvrtcCreateProgram with headers is not emulated");
    return INTERNAL;
  }
  *out = new Program{source, name ? name : "", "", ""};
  return SUCCESS;
}

NVRTC(int) nvrtcDestroyProgram(void** program) {
  delete (Program*)*program;
  *program = nullptr;
  return SUCCESS;
}

NVRTC(int) nvrtcCompileProgram(void* program_, int count, const char** options_) {
  auto& program = *(Program*)program_;
  if (program.source.find_first_not_of(" \t\r\n") == std::string::npos) return SUCCESS;
  std::string folder = fs::temp_directory_path() / "cudahost-XXXXXX";
  if (!mkdtemp(folder.data())) return INTERNAL;
  std::vector<std::string> options(options_, options_ + count);
  bool good = compile(program, folder, options);
  fs::remove_all(folder);
  ++counters[COMPILES];
  return good ? SUCCESS : COMPILATION;
}

// CuPy compiles an empty program and makes its PTX part of the key of its kernel cache.
static std::string ptx() { return "// emulated device " + setting("build") + "\n"; }

NVRTC(int) nvrtcGetPTXSize(void*, size_t* size) {
  *size = ptx().size() + 1;
  return SUCCESS;
}

NVRTC(int) nvrtcGetPTX(void*, char* out) {
  strcpy(out, ptx().c_str());
  return SUCCESS;
}

NVRTC(int) nvrtcGetCUBINSize(void* program, size_t* size) {
  *size = ((Program*)program)->binary.size();
  return SUCCESS;
}

NVRTC(int) nvrtcGetCUBIN(void* program, char* out) {
  const std::string& binary = ((Program*)program)->binary;
  memcpy(out, binary.data(), binary.size());
  return SUCCESS;
}

NVRTC(int) nvrtcGetProgramLogSize(void* program, size_t* size) {
  *size = ((Program*)program)->log.size() + 1;
  return SUCCESS;
}

NVRTC(int) nvrtcGetProgramLog(void* program, char* out) {
  strcpy(out, ((Program*)program)->log.c_str());
  return SUCCESS;
}
