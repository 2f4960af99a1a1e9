/* The instruction sets that there are. */
#ifndef REAL
#include "kernels.h"
#include "real.h"
#include "sets.h"

#define OF(set) #set, .of_float = &kernels_float_##set, .of_double = &kernels_double_##set

static int always(void) { return 1; }

#ifdef SETS_OF_X86_64
static int has_v3(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static int has_v4(void) {
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const InstructionSet instruction_sets[] = {
#ifdef SETS_OF_X86_64
    {"x86-64-v4", OF(v4), .runs = has_v4},
    {"x86-64-v3", OF(v3), .runs = has_v3},
#endif
#if defined(__aarch64__)
    {"arm64", OF(base), .runs = always},
#elif defined(__x86_64__)
    {"x86-64", OF(base), .runs = always},
#else
    {"generic", OF(base), .runs = always},
#endif
    {0},
};
#else

#include "kernels.h"
#include "matrix.h"

static const Kernels NAME(kernels) = {
    FUSES,             TILE_ROWS,         TILE_PANELS * WIDTH, STRIP,
    NAME(run_gemm),    NAME(add_rows),    NAME(run_loop),      NAME(packed_bytes),
    NAME(pack_matrix), NAME(pack_strips), NAME(row_product),   NAME(dropout_mask),
};

#endif
