// For kernels that include nothing.
#include "kernel.h"
