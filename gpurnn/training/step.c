/* Compiled bodies of what is carried to the next window; the rules stand in step.py. */
#ifndef REAL
#include "real.h"

enum { OK = 3 }; /* the place in `ctl`, as in optimizer.py: 0 where this window is skipped */

#include "sets.h"
#else

BODY(lane_check, "(10)double *(B) (B,H)") {
    const double *ctl = arg[0];
    REAL *restrict bad = arg[1];
    const REAL *restrict last = arg[2];
    int64_t B = dim[0], H = dim[1];
    if (ctl[OK] != 0)
        return;
    for (int64_t lane = 0; lane < B; lane++)
        for (int64_t j = 0; j < H; j++)
            if (!isfinite(last[lane * H + j]))
                bad[lane] = 1;
}

BODY(carry_out, "(10)double (B) (B,H) *(B,H)") {
    const double *ctl = arg[0];
    const REAL *restrict bad = arg[1], *restrict last = arg[2];
    REAL *restrict carried = arg[3];
    int64_t B = dim[0], H = dim[1];
    for (int64_t lane = 0; lane < B; lane++, last += H, carried += H)
        for (int64_t j = 0; j < H; j++) {
            REAL value = ctl[OK] != 0 ? last[j] : bad[lane] > 0 ? 0 : carried[j];
            carried[j] = isfinite(value) ? value : 0;
        }
}

#endif
