// What has to be changed in CUDA C++ before g++ takes it for the emulated device.
#include "source.h"

#include <regex>
#include <set>

namespace hk {
namespace {

// The source with its comments replaced by spaces; line numbers stay.
std::string without_comments(const std::string& source) {
  std::string out = source;
  for (size_t i = 0; i < out.size(); i++) {
    std::string pair = out.substr(i, 2);
    size_t end = i;
    if (out[i] == '"') {
      while (++i < out.size() && out[i] != '"')
        if (out[i] == '\\') i++;
    } else if (pair == "//") {
      end = out.find('\n', i);
    } else if (pair == "/*") {
      end = out.find("*/", i + 2);
      if (end != std::string::npos) end += 2;
    }
    for (; i < end && i < out.size(); i++)
      if (out[i] != '\n') out[i] = ' ';
  }
  return out;
}

std::set<std::string> kernels(const std::string& source) {
  static const std::regex head(
      R"(__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\((?:[^()]|\([^()]*\))*\)\s*)?(?:void\s+)?(\w+)\s*\()");
  std::set<std::string> names;
  for (std::sregex_iterator found(source.begin(), source.end(), head), end; found != end; ++found)
    names.insert((*found)[1]);
  return names;
}

// "extern __shared__ float x[];" becomes a pointer to the block's dynamic shared memory.
std::string with_dynamic_shared(const std::string& source) {
  static const std::regex declaration(
      R"(extern\s+__shared__\s+(__align__\s*\(\s*\d+\s*\)\s*)?([A-Za-z_][\w ]*?)\s*(\w+)\s*\[\s*\]\s*;)");
  return std::regex_replace(source, declaration, "$2* const $3 = ($2*)hk_this_block->dynamic_shared;");
}

}  // namespace

std::string for_the_host(const std::string& source, const std::string& name) {
  std::string bare = without_comments(source);
  std::string out = "#line 1 \"" + (name.empty() ? "kernel.cu" : name) + "\"\n";
  out += with_dynamic_shared(bare) + "\n";
  for (auto& kernel : kernels(bare)) out += "HK_KERNEL(" + kernel + ")\n";
  return out;
}

}  // namespace hk
