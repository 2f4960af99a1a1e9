// For kernels that include headers, which are CuPy's own.
#define HK_HEADERS
#include "kernel.h"
