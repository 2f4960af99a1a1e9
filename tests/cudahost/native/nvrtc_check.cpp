// nvrtc_check LIBNVRTC SOURCE NAME LOG OPTION...: exit status 0 where the real NVRTC accepts the source, else 1.
// It is a process of its own because NVRTC looks itself up by its file name, and would find the emulated one.
#include <dlfcn.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

template <class Function>
static Function* function(void* library, const char* name) {
  return (Function*)dlsym(library, name);
}

int main(int count, char** arguments) {
  enum { LIBRARY = 1, SOURCE, NAME, LOG, OPTIONS };
  void* library = count < OPTIONS ? nullptr : dlopen(arguments[LIBRARY], RTLD_NOW);
  if (!library) {
    std::cerr << "nvrtc_check: " << (count < OPTIONS ? "arguments are missing" : dlerror()) << "\n";
    return 3;
  }
  auto* create =
      function<int(void**, const char*, const char*, int, const char**, const char**)>(library, "nvrtcCreateProgram");
  auto* compile = function<int(void*, int, const char**)>(library, "nvrtcCompileProgram");
  auto* log_size = function<int(void*, size_t*)>(library, "nvrtcGetProgramLogSize");
  auto* get_log = function<int(void*, char*)>(library, "nvrtcGetProgramLog");

  std::ifstream file(arguments[SOURCE]);
  std::string source{std::istreambuf_iterator<char>(file), {}};
  void* program = nullptr;
  if (create(&program, source.c_str(), arguments[NAME], 0, nullptr, nullptr)) return 3;
  int result = compile(program, count - OPTIONS, (const char**)arguments + OPTIONS);
  size_t size = 0;
  log_size(program, &size);
  std::string log(size, '\0');
  get_log(program, log.data());
  std::ofstream(arguments[LOG]) << log.c_str();
  return result != 0;
}
