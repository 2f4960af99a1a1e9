#pragma once
#include <string>

namespace hk {
// The source of a CUDA kernel made ready for g++ and kernel.h; `name` is what its error messages call it.
std::string for_the_host(const std::string& source, const std::string& name);
}  // namespace hk
