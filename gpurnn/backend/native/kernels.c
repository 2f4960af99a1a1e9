/* The instruction sets that there are. */
#include "bf16.h"

#ifdef SETS_OF_BF16
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define KERNELS_OF(set) .of_float = &kernels_float_##set, .of_double = &kernels_double_##set
#define DECLARE(set) extern const Kernels kernels_float_##set, kernels_double_##set

DECLARE(base);
#ifdef SETS_OF_X86_64
DECLARE(v3);
DECLARE(v4);
#endif

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

#ifdef SETS_OF_BF16
static int has_avx512_bf16(void) { return has_v4() && __builtin_cpu_supports("avx512bf16"); }

/* Linux lets a process have its registers when it asks for them, which enlarges what a signal handler's stack has to hold:
   only where somebody wants to use them, and once. */
static int has_amx_bf16(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    static int has = -1;
    if (has < 0)
        has = has_avx512_bf16() && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
              syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
    return has;
}
#endif

const InstructionSet instruction_sets[] = {
#ifdef SETS_OF_X86_64
    {"x86-64-v4", KERNELS_OF(v4), .runs = has_v4},
    {"x86-64-v3", KERNELS_OF(v3), .runs = has_v3},
#endif
#if defined(__aarch64__)
    {"arm64", KERNELS_OF(base), .runs = always},
#elif defined(__x86_64__)
    {"x86-64", KERNELS_OF(base), .runs = always},
#else
    {"generic", KERNELS_OF(base), .runs = always},
#endif
#ifdef SETS_OF_BF16
    {"amx-bf16", 1, has_amx_bf16, &kernels_amx_bf16, &kernels_double_v4},
    {"avx512-bf16", 1, has_avx512_bf16, &kernels_avx512_bf16, &kernels_double_v4},
#endif
    {0},
};
